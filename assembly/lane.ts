// One text for both builds: V is v128 (two f64 lanes) in the SIMD build and f64 in the scalar one.
//
// Design:
// - Lanes are rows. Each lane performs exactly the operations of its row in the scalar build, so the two builds give
//   equal bits without any further rule.
// - `isVector<V>()` is known at compile time, so the branch not taken is never compiled and the scalar module holds no
//   vector instruction.

/** Rows that one V holds: 2 or 1. */
export function laneCount<V>(): i32 {
  return isVector<V>() ? 2 : 1;
}

export function splat<V>(value: f64): V {
  if (isVector<V>()) {
    return f64x2.splat(value);
  } else {
    return value;
  }
}

/** The f64 at `pointer` in every lane. */
export function splatAt<V>(pointer: usize): V {
  if (isVector<V>()) {
    return v128.load64_splat(pointer);
  } else {
    return load<f64>(pointer);
  }
}

export function add<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return f64x2.add(a, b);
  } else {
    return a + b;
  }
}

export function sub<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return f64x2.sub(a, b);
  } else {
    return a - b;
  }
}

export function mul<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return f64x2.mul(a, b);
  } else {
    return a * b;
  }
}

export function div<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return f64x2.div(a, b);
  } else {
    return a / b;
  }
}

export function neg<V>(a: V): V {
  if (isVector<V>()) {
    return f64x2.neg(a);
  } else {
    return -a;
  }
}

/** b where b < a, else a: the vector instruction pmin, spelled out for one lane. */
export function lesser<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return f64x2.pmin(a, b);
  } else {
    return b < a ? b : a;
  }
}

/** b where a < b, else a: the vector instruction pmax, spelled out for one lane. */
export function greater<V>(a: V, b: V): V {
  if (isVector<V>()) {
    return f64x2.pmax(a, b);
  } else {
    return a < b ? b : a;
  }
}

/** The value with the last bit of its significand set. N4: a term that ends in a one is never a tie. */
export function odd<V>(value: V): V {
  if (isVector<V>()) {
    return v128.or(value, i64x2.splat(1));
  } else {
    return reinterpret<f64>(reinterpret<u64>(value) | 1);
  }
}

/** The first `count` lanes of a, +0 in the others. */
export function keep<V>(a: V, count: i32): V {
  if (isVector<V>()) {
    if (count >= 2) return a;
    return count == 1 ? f64x2.replace_lane(a, 1, 0) : f64x2.splat(0);
  } else {
    return count >= 1 ? a : 0;
  }
}
