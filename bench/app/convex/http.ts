import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({ path: "/noop", method: "POST", handler: httpAction(async () => Response.json(null)) });
export default http;
