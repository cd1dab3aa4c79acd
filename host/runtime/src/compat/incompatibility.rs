//! Why a component cannot run on this host.

use thiserror::Error;

use super::host_interface::{CONTRACT, CONTRACT_VERSION, HOST_INTERFACES, HostInterface};

/// Why a component does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Incompatibility {
    /// Made for another version of the contract.
    #[error(
        "was built against {CONTRACT}@{built}, and this host offers {CONTRACT}@{CONTRACT_VERSION}; \
         build it with this host's guest SDK, or its wit/"
    )]
    Contract {
        /// The version it names.
        built: String,
    },
    /// An interface of WASI that the standard library of a target with WASI imports.
    #[error(
        "imports {import}, which this host does not offer; was it built for wasm32-wasip2? Build it for \
         wasm32-unknown-unknown, as `narrowboat plugin build` does, and ask for what it needs of WASI in its plugin.toml"
    )]
    Wasi {
        /// As the component names it.
        import: String,
    },
    /// An interface there is none of.
    #[error("imports {import}, which this host does not offer; {}", describe_nearest(.nearest))]
    Interface {
        /// As the component names it.
        import: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
    /// An interface that its manifest does not request.
    #[error(
        "imports {import}, and its manifest does not request it: `{line}` belongs under [capabilities] in its \
         plugin.toml, and into its `grants` in the host's configuration"
    )]
    NotRequested {
        /// As the component names it.
        import: String,
        /// The line that asks for it.
        line: String,
    },
    /// A function that its interface does not have.
    #[error(
        "imports {function} of {import}, which this host does not offer; {}",
        describe_nearest(.nearest)
    )]
    Function {
        /// The interface.
        import: String,
        /// The function, as the component names it.
        function: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
}

fn describe_nearest(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("the nearest it has is {name}"),
        None => {
            let names = HOST_INTERFACES.iter().filter(|offered| !offered.functions.is_empty());
            let names: Vec<_> = names.map(HostInterface::full_name).collect();
            format!("it offers {}", names.join(", "))
        }
    }
}
