declare const brand: unique symbol;

/** A primitive that is easily confused with another of the same type. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
