//! The global allocator of a guest. It uses the rest of the initial memory before it grows the memory.
//!
//! Rust's own allocator grows the memory by a page of 64 KiB for its first allocation. The host keeps memories in a
//! pool. A memory that never grows saves the host two changes of its mapping for each connection.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32;
use std::cell::{Cell, UnsafeCell};
use std::ptr;

use dlmalloc::{Allocator, Dlmalloc};

/// The size of a page of WebAssembly memory, in bytes.
const PAGE_BYTES: usize = 64 * 1024;

/// The smallest initial region that is used, in bytes.
const MIN_REGION_BYTES: usize = 4 * 1024;

/// The alignment of the regions that dlmalloc gets, in bytes.
const ALIGNMENT: usize = 16;

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(LinearMemory {
    initial_region_taken: Cell::new(false),
})));

struct Heap(UnsafeCell<Dlmalloc<LinearMemory>>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Heap {}

/// The source of memory for dlmalloc: the guest's linear memory.
struct LinearMemory {
    /// Whether dlmalloc already has the initial region.
    initial_region_taken: Cell<bool>,
}

unsafe extern "C" {
    /// The first byte after data and stack. The linker defines this symbol.
    static __heap_base: u8;
}

impl LinearMemory {
    /// Returns the region between the guest's data and the end of its initial memory: address and size in bytes.
    /// Returns `None` for a region that is too small, and on every call but the first.
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

// SAFETY: each byte is handed out once: the rest of the initial memory, and each page that the memory grew by.
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
    /// Calls `attempt` up to twice. The first attempt fails if the initial region is smaller than the allocation; the
    /// second attempt then grows the memory.
    fn alloc_with_retry(attempt: impl Fn(&mut Dlmalloc<LinearMemory>) -> *mut u8) -> *mut u8 {
        // SAFETY: a guest has one thread, and the allocator calls nothing that allocates.
        let heap = unsafe { &mut *HEAP.0.get() };
        let first = attempt(heap);
        if first.is_null() { attempt(heap) } else { first }
    }
}

// SAFETY: dlmalloc has the same contract, and every method calls it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        Self::alloc_with_retry(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        Self::alloc_with_retry(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, and a guest has one thread.
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`. A failed attempt leaves the old block unchanged.
        Self::alloc_with_retry(|heap| unsafe {
            heap.realloc(pointer, layout.size(), layout.align(), size)
        })
    }
}
