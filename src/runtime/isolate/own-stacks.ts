/** What V8 reads of the one `Error` that calls share. Libraries set these and don't always put them back. */
const SETTINGS = ["stackTraceLimit", "prepareStackTrace"] as const;

type StackSettings = readonly (PropertyDescriptor | undefined)[];

function settings(): StackSettings {
  return SETTINGS.map((name) => Object.getOwnPropertyDescriptor(Error, name));
}

/** As the platform has them, before user code runs. */
const standard = settings();
const { stackTraceLimit: limit, prepareStackTrace: prepare } = Error;

function put(wanted: StackSettings): void {
  for (const [index, name] of SETTINGS.entries()) {
    const descriptor = wanted[index];
    // A call that has frozen `Error` can't be helped.
    if (descriptor === undefined) Reflect.deleteProperty(Error, name);
    else Reflect.defineProperty(Error, name, descriptor);
  }
}

/** Nearly always: so it is asked without looking at descriptors. */
function areStandard(): boolean {
  return Error.stackTraceLimit === limit && Error.prepareStackTrace === prepare;
}

function standardAgain(): void {
  if (!areStandard()) put(standard);
}

/** A call begins with the platform's stacks. The function returned puts back what its caller had set. */
export function ownStacks(): () => void {
  if (areStandard()) return standardAgain;
  const before = settings();
  put(standard);
  return () => put(before);
}
