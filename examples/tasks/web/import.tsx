import { useAction, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../convex/_generated/api";

/** Runs an action and shows how far it is: the action writes, the page reads. */
export function Import({ project }: { project: string }) {
  const chores = useAction(api.imports.chores);
  const progress = useQuery(api.imports.progress, { project });
  const [running, setRunning] = useState(false);
  const start = async () => {
    setRunning(true);
    await chores({ project }).finally(() => setRunning(false));
  };
  return (
    <section>
      <button disabled={running} onClick={() => void start()}>
        Import chores
      </button>
      {progress === undefined || progress === null ? null : (
        <>
          <progress value={progress.done} max={progress.total} />
          <output aria-label="progress">
            {progress.done} of {progress.total}
          </output>
        </>
      )}
    </section>
  );
}
