/** Module key → source. Keys may lack an extension (`_componentDeps/…`), so the loader must be given `{js: source}`. */
export type ModuleSources = Readonly<Record<string, string>>;
