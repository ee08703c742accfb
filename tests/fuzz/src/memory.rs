//! What decoders may allocate. An allocator cannot be written in safe code.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts every byte that was ever asked for.
struct Counting;

static REQUESTED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTED.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        REQUESTED.fetch_add(size, Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a decoder may ask for, in all, per byte of input. ABI takes a sixth of it (values, and what they are when written again). CBOR
/// takes most where a field that is not known is passed over: a byte opens a level of nesting, a level is an entry of 16
/// bytes, and the vector of entries grows by doubling.
const FACTOR: usize = 96;
/// What it may ask for whatever the input: a small value, and the contexts that are made once.
const BASE: usize = 4096;

/// Decodes, and checks that memory was asked for in proportion to the input, whatever lengths the input claims.
pub fn bounded<T>(input: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    bounded_by(FACTOR * input.len() + BASE, input, decode)
}

/// Decodes, and checks that no more than `most` bytes of memory were asked for.
pub fn bounded_by<T>(most: usize, input: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    let before = REQUESTED.load(Relaxed);
    let value = decode(input);
    let requested = REQUESTED.load(Relaxed) - before;
    assert!(requested <= most, "{requested} bytes asked for, for {} of input", input.len());
    value
}
