import { describe, expect, it } from 'vitest'
import { DisposedError, type Handle, InvalidArgumentError, Region, RegionFormatError, registerShareable, SharedObject } from '../src/index.js'
import { Place, shareableClass } from '../src/internal.js'

interface Options {
  region?: Region
}

class Cat extends SharedObject {
  static readonly kind = 'test.Cat'
  static readonly BYTES = 24
  static readonly ALIGN: number = 8
  constructor(options: Options | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(options.region ?? Region.default, Cat))
  }
  static init(region: Region, at: number): Cat {
    return new Cat(Place.format(region, at, Cat))
  }
  static at(region: Region, at: number): Cat {
    return new Cat(Place.open(region, at, Cat))
  }
  static fromHandle(handle: Handle): Cat {
    return new Cat(Place.openHandle(handle, Cat))
  }
  use(): void {
    this.assertLive()
  }
}

class Dog extends SharedObject {
  static readonly kind = 'test.Dog'
  static readonly BYTES = 24
  static readonly ALIGN = 64
  constructor(options: Options | Place = {}) {
    super(options instanceof Place ? options : Place.allocate(options.region ?? Region.default, Dog))
  }
  static at(region: Region, at: number): Dog {
    return new Dog(Place.open(region, at, Dog))
  }
  static fromHandle(handle: Handle): Dog {
    return new Dog(Place.openHandle(handle, Dog))
  }
  isHeld = false
  protected override onDispose(): void {
    if (this.isHeld) throw new InvalidArgumentError('held')
  }
}

const small = (debug = false): Region => Region.create({ bytes: 256 * 1024, agents: 4, debug })

describe.each([false, true])('an object in a region (debug: %s)', (debug) => {
  it('is opened by handle, also through a clone, and by address', () => {
    const region = small(debug)
    const cat = new Cat({ region })
    const handle = structuredClone(cat.toHandle())
    expect(handle).toMatchObject({ heddle: 'test.Cat', at: cat.at })
    for (const other of [Cat.fromHandle(handle), Cat.at(region, cat.at)]) {
      expect(other.region).toBe(region)
      expect(other.at).toBe(cat.at)
      other.use()
    }
    expect(shareableClass('test.Cat')).toBe(Cat)
  })

  it('is refused after disposal, everywhere', () => {
    const region = small(debug)
    const cat = new Cat({ region })
    const other = Cat.at(region, cat.at)
    const handle = cat.toHandle()
    expect(cat.isDisposed).toBe(false)
    other.dispose()
    expect(cat.isDisposed).toBe(true)
    expect(region.stats().blocks).toBe(0)
    for (const use of [
      () => cat.use(),
      () => cat.dispose(),
      () => other.dispose(),
      () => cat.toHandle(),
      () => Cat.fromHandle(handle),
      () => Cat.at(region, cat.at),
    ]) {
      expect(use).toThrow(DisposedError)
    }
    expect(region.stats().blocks).toBe(0)
    region.check()
  })

  it('is refused once its place has another tenant, of the same kind or another', () => {
    for (const tenant of [Cat, Dog]) {
      const region = Region.create({ bytes: 256 * 1024, agents: 4 })
      const place = region.alloc(64, 64)
      const first = Cat.init(region, place)
      const handle = first.toHandle()
      first.dispose()
      const second = tenant === Cat ? Cat.init(region, place) : new Dog(Place.format(region, place, Dog))
      expect(first.isDisposed).toBe(true)
      for (const use of [() => first.use(), () => first.dispose(), () => first.toHandle(), () => Cat.fromHandle(handle)])
        expect(use).toThrow(DisposedError)
      expect(second.isDisposed).toBe(false)
      second.toHandle()
    }
  })

  it('is refused when the memory was given out again by the allocator', () => {
    const region = Region.create({ bytes: 256 * 1024, agents: 4 })
    const first = new Cat({ region })
    const handle = first.toHandle()
    first.dispose()
    const second = new Cat({ region })
    expect(second.at).toBe(first.at)
    expect(() => Cat.fromHandle(handle)).toThrow(/stale/)
    expect(() => {
      first.dispose()
    }).toThrow(DisposedError)
    second.use()
    second.dispose()
    expect(region.stats().blocks).toBe(0)
  })

  it('leaves no trace in free memory that is taken for an object', () => {
    const region = small(debug)
    for (let round = 0; round < 3; round++) {
      const cats = Array.from({ length: 300 }, () => new Cat({ region }))
      for (const cat of cats) cat.dispose()
      for (const cat of cats) expect(() => Cat.at(region, cat.at)).toThrow(DisposedError)
    }
    region.check()
  })

  it('gives back only what its constructor allocated', () => {
    const region = small(debug)
    const at = region.alloc(Cat.BYTES)
    const cat = Cat.init(region, at)
    Cat.at(region, at).dispose()
    expect(cat.isDisposed).toBe(true)
    expect(region.stats().blocks).toBe(1)
    region.free(at)
    expect(region.stats().blocks).toBe(0)
    region.check()
  })

  it('stays alive when its class refuses to dispose of it', () => {
    const region = small(debug)
    const dog = new Dog({ region })
    dog.isHeld = true
    expect(() => dog.dispose()).toThrow('held')
    expect(dog.isDisposed).toBe(false)
    dog.isHeld = false
    dog[Symbol.dispose]()
    expect(dog.isDisposed).toBe(true)
  })
})

describe('places', () => {
  it.each([0, 16, 512, 1024, -8, 4.5, Number.NaN, 2 ** 31, 2 ** 32, Infinity])('are refused outside the heap: %s', (at) => {
    const region = small()
    for (const open of [() => Cat.init(region, at), () => Cat.at(region, at)]) expect(open).toThrow(InvalidArgumentError)
  })

  it('are refused when misaligned or cut off by the end', () => {
    const region = small()
    const at = region.alloc(128, 64)
    expect(() => new Dog(Place.format(region, at + 8, Dog))).toThrow(/aligned to 64/)
    expect(() => Cat.init(region, at + 4)).toThrow(InvalidArgumentError)
    expect(() => Cat.init(region, region.buffer.byteLength - 16)).toThrow(InvalidArgumentError)
    expect(region.words[(region.buffer.byteLength - 16) >> 2]).toBe(0)
  })

  it('may lie behind the region in a given buffer', () => {
    const region = Region.create({ buffer: new SharedArrayBuffer(256 * 1024), bytes: 128 * 1024, agents: 4 })
    const cat = Cat.init(region, 128 * 1024 + 64)
    expect(Cat.fromHandle(cat.toHandle()).at).toBe(cat.at)
  })

  it('are opened only where such an object lives', () => {
    const region = small()
    const cat = new Cat({ region })
    const dog = new Dog({ region })
    expect(() => Dog.at(region, region.alloc(64, 64))).toThrow(DisposedError)
    expect(() => Cat.at(region, dog.at)).toThrow(DisposedError)
    expect(() => Cat.at(region, cat.at + 8)).toThrow(DisposedError)
  })
})

describe('handles', () => {
  it('of another kind are refused', () => {
    const dog = new Dog({ region: small() })
    expect(() => Cat.fromHandle(dog.toHandle())).toThrow(/test\.Dog.*test\.Cat/)
  })

  it.each([
    ['null', null],
    ['undefined', undefined],
    ['a number', 7],
    ['an empty object', {}],
    ['one without a header', { heddle: 'test.Cat', buffer: undefined, at: 0 }],
  ])('that are none are refused: %s', (_name, handle) => {
    expect(() => Cat.fromHandle(handle as unknown as Handle)).toThrow(InvalidArgumentError)
  })

  it('with forged parts are refused', () => {
    const region = small()
    const cat = new Cat({ region })
    const handle = cat.toHandle()
    expect(() => Cat.fromHandle({ ...handle, header: handle.header + 512 })).toThrow(DisposedError)
    expect(() => Cat.fromHandle({ ...handle, at: handle.at + 8 })).toThrow(DisposedError)
    expect(() => Cat.fromHandle({ ...handle, at: 'x' as unknown as number })).toThrow(InvalidArgumentError)
    expect(() => Cat.fromHandle({ ...handle, buffer: new SharedArrayBuffer(1 << 20) })).toThrow(RegionFormatError)
    expect(() => Cat.fromHandle({ ...handle, buffer: small().buffer })).toThrow(DisposedError)
  })
})

describe('registerShareable', () => {
  it('takes one class for a kind', () => {
    class Impostor extends Cat {}
    registerShareable('test.Cat', Cat)
    registerShareable('test.Cat', Cat)
    expect(() => {
      registerShareable('test.Cat', Impostor)
    }).toThrow(InvalidArgumentError)
    const region = small()
    class Clash extends SharedObject {
      static readonly kind = 'test.Cat'
      static readonly BYTES = 8
      static readonly ALIGN = 8
      constructor() {
        super(Place.allocate(region, Clash))
      }
      static fromHandle(): Clash {
        return new Clash()
      }
    }
    expect(() => new Clash()).toThrow(/registered for another class/)
    expect(region.stats().blocks).toBe(0)
    expect(shareableClass('test.Cat')).toBe(Cat)
    expect(shareableClass('test.Unknown')).toBeUndefined()
  })
})
