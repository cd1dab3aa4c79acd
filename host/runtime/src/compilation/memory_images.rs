//! The memory images of a component, from which the memories of its instances start.

use std::io;
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;

/// The pauses between the attempts to make the images.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
];

/// Makes the memory images of a component, which its first instance would make otherwise. Tries again if the system is busy:
/// Linux does not seal a memory file while it moves or reclaims one of its pages (`memfd_wait_for_pins` in `mm/memfd.c`).
/// Blocks.
///
/// # Errors
/// If the system refuses the images.
pub(super) fn create_memory_images(component: &Component) -> wasmtime::Result<()> {
    for pause in PAUSES {
        match component.initialize_copy_on_write_image() {
            Err(error) if is_busy(&error) => thread::sleep(pause),
            result => return result,
        }
    }
    component.initialize_copy_on_write_image()
}

/// Whether an operation of the system failed because something uses its object.
fn is_busy(error: &wasmtime::Error) -> bool {
    let mut systems = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    systems.any(|error| error.kind() == io::ErrorKind::ResourceBusy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_system_is_told_from_one_that_refuses() {
        let error = |kind: io::ErrorKind| {
            wasmtime::Error::from(io::Error::from(kind)).context("cannot add seals to the memfd")
        };
        assert!(is_busy(&error(io::ErrorKind::ResourceBusy)));
        assert!(!is_busy(&error(io::ErrorKind::OutOfMemory)));
    }
}
