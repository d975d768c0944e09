/**
 * A WebAssembly module with a loop of atomic additions on shared memory:
 *
 *   (import "env" "memory" (memory 20 20 shared))
 *   (func (export "add") (param $at i32) (param $times i32)
 *     (loop (drop (i32.atomic.rmw.add (local.get $at) (i32.const 1)))
 *       (br_if 0 (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
 */
// prettier-ignore
export const code = Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  // Types, the import, functions, exports.
  1, 6, 1, 0x60, 2, 0x7f, 0x7f, 0,
  2, 16, 1, 3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 3, 20, 20,
  3, 2, 1, 0,
  7, 7, 1, 3, 0x61, 0x64, 0x64, 0, 0,
  // The loop.
  10, 25, 1, 23, 0, 3, 0x40, 0x20, 0, 0x41, 1, 0xfe, 0x1e, 2, 0, 0x1a, 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b, 0x0b,
)
export const PAGES = 20
