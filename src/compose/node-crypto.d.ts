/** The one part of `node:crypto` that is used, as workerd has it with `nodejs_compat`. */
declare module "node:crypto" {
  export function createHash(algorithm: "sha256"): {
    update(text: string): { digest(encoding: "hex"): string };
  };
}
