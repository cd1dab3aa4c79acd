//! Limits that no key of the configuration changes.

/// A limit that no key changes, as a row of the reference page of limits.
pub(super) struct FixedLimit {
    /// The value of the limit.
    pub(super) value: &'static str,
    /// The limited quantity.
    pub(super) description: &'static str,
    /// The effect at the limit, and the metric that counts it.
    pub(super) on_reached: &'static str,
}

pub(super) const FIXED_LIMITS: &[FixedLimit] = &[
    FixedLimit {
        value: "1 MiB each",
        description: "lines that wait for the readers of standard error and standard output",
        on_reached: "further lines are dropped; `output_lines_dropped`",
    },
    FixedLimit {
        value: "2 lines in a second, 10 at once",
        description: "panics of a version, whether or not its manifest requests `log`",
        on_reached: "the log says that lines are dropped; `guest_faults{kind=\"trap\"}` counts \
                     all panics",
    },
    FixedLimit {
        value: "16 KiB",
        description: "head of a handshake",
        on_reached: "400 or 431; `handshakes_failed{reason=\"http\"}`",
    },
    FixedLimit {
        value: "100,000 effects, 1,000,000 deliveries to members of groups, and four times the \
                largest frame or 16 MiB of payload",
        description: "effects of one call",
        on_reached: "`backpressure`, `other`, or a trap if the call cannot return an error; \
                     `limits_reached{limit=\"effects\"}`",
    },
    FixedLimit {
        value: "the largest frame and 4 MiB",
        description: "bytes that one host call copies out of a guest",
        on_reached: "a trap",
    },
    FixedLimit {
        value: "20,000 elements, 16 tables, 16 memories, 16 core instances",
        description: "one instance",
        on_reached: "`table.grow` fails, `limits_reached{limit=\"tables\"}`; a component that \
                     starts with more is refused",
    },
    FixedLimit {
        value: "10,000 imports, 64 modules, 200,000 functions",
        description: "one component, before the host compiles any of it",
        on_reached: "the component is refused",
    },
    FixedLimit {
        value: "the largest numbers of connections and workers, and 256",
        description: "instances of all plugins in the instance pool; without this limit if the \
                      address space has no room for a pool, see \
                      docs/explanation/limits-and-fairness.md",
        on_reached: "503 or 500",
    },
    FixedLimit {
        value: "64 levels",
        description: "depth of a message",
        on_reached: "`invalid-message`",
    },
    FixedLimit {
        value: "1,000,000 memberships",
        description: "one tenant in one layer",
        on_reached: "the channel is not added; `limits_reached{limit=\"memberships\"}`",
    },
    FixedLimit {
        value: "64 MiB of unread messages",
        description: "one tenant in one layer",
        on_reached: "`other`; `layer_messages_dropped`",
    },
    FixedLimit {
        value: "20,000 operations, 32 MiB and 1,000,000 memberships",
        description: "operations of one layer that wait for Redis",
        on_reached: "`unavailable`, `layer_messages_lost`; a membership that ended lasts until \
                     it expires, and the log says so",
    },
];
