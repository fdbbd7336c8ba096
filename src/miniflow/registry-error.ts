// What to throw where the registry cannot be changed as asked; by itself, since every command knows it and few read a registry.

/** A change that cannot be made, whoever else writes: what to do is in the message. */
export class RegistryError extends Error {
  override readonly name: string = "RegistryError";
}
