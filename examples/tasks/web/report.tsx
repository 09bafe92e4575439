import { useAction, useQuery } from "convex/react";
import { api } from "../convex/_generated/api";

export function Report({ project }: { project: string }) {
  const create = useAction(api.reports.create);
  const latest = useQuery(api.reports.latest, { project });
  return (
    <section>
      <button onClick={() => void create({ project })}>Write a report</button>
      {latest === undefined || latest === null ? null : <output aria-label="report">{latest.text}</output>}
    </section>
  );
}
