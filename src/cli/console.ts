/** Progress and logs of a command. stdout is for data alone. */
export function say(message: string): void {
  process.stderr.write(`${message}\n`);
}
