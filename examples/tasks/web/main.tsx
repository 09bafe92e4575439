import { ConvexProvider, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Project } from "./project";

const client = new ConvexReactClient(import.meta.env.VITE_CONVEX_URL ?? "http://127.0.0.1:3210");
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has an element #root");

createRoot(root).render(
  <StrictMode>
    <ConvexProvider client={client}>
      <Project name="home" />
    </ConvexProvider>
  </StrictMode>,
);
