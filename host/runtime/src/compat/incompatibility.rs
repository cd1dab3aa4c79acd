//! Why a component cannot run on this host.

use thiserror::Error;

use super::host_interface::{CONTRACT, CONTRACT_VERSION, HOST_INTERFACES, HostInterface};

/// Why a component cannot run on this host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Incompatibility {
    /// The component was built for another version of the contract.
    #[error(
        "was built against {CONTRACT}@{built}, but this host offers {CONTRACT}@{CONTRACT_VERSION}; \
         build it with the guest SDK or the wit/ of this host"
    )]
    Contract {
        /// The version that the component names.
        built: String,
    },
    /// The component imports an interface that the host does not have.
    #[error("imports {import}, which this host does not offer; {}", describe_nearest(.nearest))]
    Interface {
        /// The import, as the component names it.
        import: String,
        /// The most similar name that the host offers.
        nearest: Option<String>,
    },
    /// The component imports a function that the interface does not have.
    #[error(
        "imports {function} of {import}, which this host does not offer; {}",
        describe_nearest(.nearest)
    )]
    Function {
        /// The interface.
        import: String,
        /// The function, as the component names it.
        function: String,
        /// The most similar name that the host offers.
        nearest: Option<String>,
    },
}

fn describe_nearest(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("the nearest it has is {name}"),
        None => {
            let interfaces = HOST_INTERFACES.iter();
            let interfaces = interfaces.filter(|interface| !interface.functions.is_empty());
            let names: Vec<_> = interfaces.map(HostInterface::full_name).collect();
            format!("it offers {} and the interfaces of WASI 0.2", names.join(", "))
        }
    }
}
