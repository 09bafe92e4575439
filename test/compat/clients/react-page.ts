import "./dom.ts";
import { ConvexProvider, ConvexReactClient } from "convex/react";
import { createElement, type FunctionComponent, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { onTestFailed } from "vitest";
import { click, shows, until } from "./shown.ts";

export interface ProviderProps {
  readonly client: ConvexReactClient;
  readonly children?: ReactNode;
}

/** A component on a page of its own (jsdom), under a client of its own. */
export class ReactPage implements AsyncDisposable {
  readonly client: ConvexReactClient;
  readonly #element: HTMLElement;
  readonly #root: Root;

  private constructor(client: ConvexReactClient, element: HTMLElement, root: Root) {
    this.client = client;
    this.#element = element;
    this.#root = root;
  }

  /** `Provider` stands between the component and the client, `ConvexProvider` if nothing is said. */
  static async open(
    url: string,
    component: FunctionComponent,
    Provider: FunctionComponent<ProviderProps> = ConvexProvider,
  ): Promise<ReactPage> {
    const client = new ConvexReactClient(url, { skipConvexDeploymentUrlCheck: true, logger: false });
    const element = document.createElement("div");
    document.body.append(element);
    // Errors that a boundary catches are its own to tell.
    const root = createRoot(element, { onCaughtError: () => undefined });
    root.render(createElement(Provider, { client }, createElement(component)));
    const page = new ReactPage(client, element, root);
    onTestFailed(() => console.error(`The page showed: ${page.text}`));
    await until(element, () => element.childNodes.length > 0);
    return page;
  }

  get text(): string {
    return this.#element.textContent;
  }

  /** Resolves when the page shows `text`. */
  shows(text: string): Promise<void> {
    return shows(this.#element, text);
  }

  click(label: string): void {
    click(this.#element, label);
  }

  /** Cuts the socket as a network would; the client opens another one. */
  cut(): void {
    const { sync } = this.client as unknown as {
      readonly sync: { readonly webSocketManager: { readonly socket: { readonly ws?: WebSocket } } };
    };
    sync.webSocketManager.socket.ws?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#root.unmount();
    this.#element.remove();
    await this.client.close();
  }
}
