/**
 * Pools and routes in lines for people.
 */
import { CONDITIONS, type Route, valuesOf } from "../policy/route.ts";
import type { Settings } from "../policy/settings.ts";

/** Each pool and each route with its name; nothing where there is but the default pool. */
export function poolAndRouteLines(
  { pools, routes }: Settings,
): readonly (readonly [name: string, says: string])[] {
  const each = Object.entries(pools).map(([name, backends]) =>
    [`pools.${name}`, backends.map(({ name }) => name).join(", ")] as const
  );
  const told = routes.map((route, i) => [`routes[${i}]`, routeText(route)] as const);
  return each.length + told.length === 0 ? [] : [...each, ...told, ["otherwise", "to pool default"]];
}

/** `listener 0.0.0.0:25, domain a.example or *.a.example: to pool a`. */
function routeText(route: Route): string {
  const conditions = CONDITIONS.flatMap((condition) => {
    const values = valuesOf(route, condition);
    return values === undefined ? [] : [`${condition} ${values.join(" or ")}`];
  });
  const target = typeof route.pool === "string"
    ? `to pool ${route.pool}`
    : `as ${functionName(route.pool)} says`;
  return `${conditions.join(", ") || "all the rest"}: ${target}`;
}

function functionName({ name }: { readonly name: string }): string {
  return name === "" || name === "pool" ? "a function" : `the function ${name}`;
}
