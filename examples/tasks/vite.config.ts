import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `VITE_CONVEX_URL` comes from `.env.local`, where `npx convex dev` writes it, or from the environment.
export default defineConfig({ plugins: [react()] });
