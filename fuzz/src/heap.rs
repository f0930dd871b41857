//! What is allocated for an input.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Fails if at any time there were so many bytes more on the heap than before, whatever thread took them:
/// whoever checks must be alone.
pub(crate) fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let done = work();
    let more = HEAP.peak_usage().saturating_sub(before);
    assert!(
        more <= most,
        "{more} bytes were on the heap at once, not {most} at most"
    );
    done
}

/// How many bytes on the heap the outcome of this holds.
pub(crate) fn taken<T>(work: impl FnOnce() -> T) -> usize {
    let before = HEAP.current_usage();
    let done = work();
    let taken = HEAP.current_usage().saturating_sub(before);
    drop(done);
    taken
}
