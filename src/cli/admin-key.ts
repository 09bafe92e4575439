import { createHmac } from "node:crypto";

/**
 * The admin key as the Worker derives it: `<instance name>|<rights><HMAC-SHA-256>`. Nothing is stored, so whoever
 * holds the secret can print it again.
 */
export function adminKey(secret: string, instanceName: string): string {
  const mac = createHmac("sha256", secret).update(`convection/admin-key/v1/full\n${instanceName}`).digest("hex");
  return `${instanceName}|01${mac}`;
}
