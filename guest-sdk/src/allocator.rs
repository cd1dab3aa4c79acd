//! The guest's heap: what the linker left of the first memory, and only then more.
//!
//! Rust's own allocator asks for a new page of 64 KiB before it has given out a byte. To a host that keeps memories
//! in a pool, a memory that never grows spares two changes of its mapping a connection, and what a small consumer
//! needs lies beside its data.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32;
use std::cell::{Cell, UnsafeCell};
use std::ptr;

use dlmalloc::{Allocator, Dlmalloc};

/// Bytes of a page of memory.
const PAGE_BYTES: usize = 64 * 1024;

/// Less than this is not worth an initial region, in bytes.
const MIN_REGION_BYTES: usize = 4 * 1024;

/// What pointers are aligned to that the allocator is given.
const ALIGNMENT: usize = 16;

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(LinearMemory {
    initial_region_taken: Cell::new(false),
})));

struct Heap(UnsafeCell<Dlmalloc<LinearMemory>>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Heap {}

/// Where the allocator gets memory from.
struct LinearMemory {
    /// What the linker left has been given out.
    initial_region_taken: Cell<bool>,
}

unsafe extern "C" {
    /// The linker's: the first byte behind data and stack.
    static __heap_base: u8;
}

impl LinearMemory {
    /// What lies between the guest's data and the end of its first memory.
    fn take_initial_region(&self) -> Option<(*mut u8, usize)> {
        if self.initial_region_taken.replace(true) {
            return None;
        }
        let base = (&raw const __heap_base).cast_mut();
        let base = base.wrapping_add(base.align_offset(ALIGNMENT));
        let end = wasm32::memory_size(0).checked_mul(PAGE_BYTES)?;
        let size = end.checked_sub(base.addr())?;
        (size >= MIN_REGION_BYTES).then_some((base, size))
    }
}

// SAFETY: each byte is given out once: the rest of the first memory, and what it grew by.
unsafe impl Allocator for LinearMemory {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if let Some((base, size)) = self.take_initial_region() {
            return (base, size, 0);
        }
        let pages = size.div_ceil(PAGE_BYTES);
        match wasm32::memory_grow(0, pages) {
            usize::MAX => (ptr::null_mut(), 0, 0),
            page => (ptr::without_provenance_mut(page * PAGE_BYTES), pages * PAGE_BYTES, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}

impl Heap {
    /// Tries twice: the first time may have been given less than it asked for, as at the start of the heap.
    fn alloc_with_retry(attempt: impl Fn(&mut Dlmalloc<LinearMemory>) -> *mut u8) -> *mut u8 {
        // SAFETY: a guest has one thread, and the allocator calls nothing that allocates.
        let heap = unsafe { &mut *HEAP.0.get() };
        let first = attempt(heap);
        if first.is_null() { attempt(heap) } else { first }
    }
}

// SAFETY: dlmalloc's, with which it shares the contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        Self::alloc_with_retry(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        Self::alloc_with_retry(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller's; a guest has one thread.
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller's. One that failed has left the old block as it was.
        Self::alloc_with_retry(|heap| unsafe {
            heap.realloc(pointer, layout.size(), layout.align(), size)
        })
    }
}
