import { useConvexConnectionState, useMutation, useQuery } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "../convex/_generated/api";
import { Files } from "./files";
import { Import } from "./import";
import { Report } from "./report";

/** Tasks of a project, live: every open page shows what any of them changes. */
export function Project({ name }: { name: string }) {
  const tasks = useQuery(api.tasks.list, { project: name });
  const { isWebSocketConnected } = useConvexConnectionState();
  return (
    <main>
      <header>
        <h1>{name}</h1>
        <span className={isWebSocketConnected ? "on" : "off"}>{isWebSocketConnected ? "live" : "offline"}</span>
      </header>
      <NewTask project={name} />
      {tasks === undefined ? (
        <p>Loading …</p>
      ) : (
        <ul aria-label="tasks">
          {tasks.map((task) => (
            <Task key={task._id} task={task} />
          ))}
        </ul>
      )}
      <Import project={name} />
      <Report project={name} />
      <Files />
    </main>
  );
}

type TaskDocument = NonNullable<ReturnType<typeof useQuery<typeof api.tasks.list>>>[number];

function Task({ task }: { task: TaskDocument }) {
  const complete = useMutation(api.tasks.complete).withOptimisticUpdate((store, { task: id }) => {
    const args = { project: task.project };
    const shown = store.getQuery(api.tasks.list, args);
    const done = shown?.map((other) => (other._id === id ? { ...other, state: "done" as const } : other));
    if (done !== undefined) store.setQuery(api.tasks.list, args, done);
  });
  return (
    <li className={task.state}>
      <label>
        <input
          type="checkbox"
          checked={task.state === "done"}
          disabled={task.state === "done"}
          onChange={() => void complete({ task: task._id })}
        />
        {task.title}
      </label>
    </li>
  );
}

function NewTask({ project }: { project: string }) {
  const add = useMutation(api.tasks.add);
  const [title, setTitle] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    await add({ project, title });
    setTitle("");
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <input aria-label="title" value={title} onChange={(event) => setTitle(event.target.value)} />
      <button disabled={title.trim() === ""}>Add</button>
    </form>
  );
}
