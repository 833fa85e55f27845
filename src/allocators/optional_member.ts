/**
 * What a wrapper shows of the members that only some allocators have.
 *
 * @module
 */

import type { Allocator } from "../allocator.ts";

/** A member of the inner allocator, `undefined` where it has none of the name. */
export type OptionalMember<A, Name extends string> = A extends { readonly [N in Name]: infer M } ? M
  : undefined;

/** A method of an allocator that may lack it, bound to it. */
export function memberOf<A extends Allocator, Name extends string>(
  inner: A,
  name: Name,
): OptionalMember<A, Name> {
  const { [name]: member } = inner as A & { readonly [N in Name]?: unknown };
  return (typeof member === "function" ? member.bind(inner) : undefined) as OptionalMember<A, Name>;
}
