declare const brand: unique symbol;

/** A value of type `T` that only its own constructor function makes, so that an instant is never mistaken for a duration, nor a node for a team. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
