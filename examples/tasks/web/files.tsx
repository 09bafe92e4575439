import { useMutation, useQuery } from "convex/react";
import { type ChangeEvent, useState } from "react";
import { api } from "../convex/_generated/api";

/** Uploads go straight to the storage by a URL that a mutation gives out; every open page lists them at once. */
export function Files() {
  const files = useQuery(api.files.list);
  const generateUploadUrl = useMutation(api.files.generateUploadUrl);
  const remove = useMutation(api.files.remove);
  const [problem, setProblem] = useState("");
  const upload = async (event: ChangeEvent<HTMLInputElement>) => {
    const [file] = event.target.files ?? [];
    if (file === undefined) return;
    const response = await fetch(await generateUploadUrl(), {
      method: "POST",
      headers: { "content-type": file.type },
      body: file,
    });
    setProblem(response.ok ? "" : await response.text());
    event.target.value = "";
  };
  return (
    <>
      <section>
        <label>
          Upload a file <input type="file" onChange={(event) => void upload(event)} />
        </label>
        {problem === "" ? null : <output aria-label="upload problem">{problem}</output>}
      </section>
      <ul aria-label="files">
        {files?.map(({ _id, url, contentType, size }) => (
          <li key={_id}>
            {url !== null && contentType?.startsWith("image/") === true ? <img src={url} alt={_id} /> : null}
            <a href={url ?? undefined}>
              {contentType ?? "file"}, {size} bytes
            </a>
            <button onClick={() => void remove({ storageId: _id })}>Remove</button>
          </li>
        ))}
      </ul>
    </>
  );
}
