/** Resolves when the element, or anything in it, makes `good` true. */
export async function until(element: Node, good: () => boolean): Promise<void> {
  if (good()) return;
  await new Promise<void>((resolve) => {
    const observer = new MutationObserver(() => {
      if (!good()) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(element, { subtree: true, childList: true, characterData: true });
  });
}

/** Resolves when the element shows `text`. */
export function shows(element: Node, text: string): Promise<void> {
  return until(element, () => element.textContent?.includes(text) === true);
}

export function click(element: Element, label: string): void {
  const button = [...element.querySelectorAll("button")].find(({ textContent }) => textContent === label);
  if (button === undefined) throw new Error(`there is no button "${label}" in ${element.innerHTML}`);
  button.click();
}
