use serde::{Serialize, de::DeserializeOwned};

use crate::{bindings::narrowboat::consumer::types, error::Error, message};

/// The saved state of a consumer or a module, which another version restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of the state's schema: [`Consumer::SCHEMA_VERSION`](crate::Consumer::SCHEMA_VERSION) of the version
    /// that saved it.
    pub schema_version: u32,
    /// The state, in an encoding that the plugin chooses.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// Encodes `value` as MessagePack with field names, so a later version may have other fields.
    ///
    /// # Errors
    /// An [`Error`] that blames the plugin, if serde cannot serialise the value.
    pub fn encode<T: Serialize + ?Sized>(schema_version: u32, value: &T) -> Result<Self, Error> {
        Ok(Self { schema_version, state: message::to_vec(value)? })
    }

    /// Decodes the output of [`Snapshot::encode`]. A field that the state lacks needs `#[serde(default)]`. A field that
    /// `T` lacks is skipped.
    ///
    /// # Errors
    /// An [`Error`] that blames the plugin, if the state does not match `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut reader = rmp_serde::Deserializer::from_read_ref(&self.state).with_human_readable();
        Ok(T::deserialize(&mut reader)?)
    }
}

impl From<types::Saved> for Snapshot {
    fn from(saved: types::Saved) -> Self {
        Self { schema_version: saved.schema, state: saved.state }
    }
}

impl From<Snapshot> for types::Saved {
    fn from(snapshot: Snapshot) -> Self {
        Self { schema: snapshot.schema_version, state: snapshot.state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct First {
        name: String,
        gone: u8,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Second {
        #[serde(default)]
        visits: u32,
        #[serde(default)]
        name: String,
    }

    #[test]
    fn a_state_decodes_to_what_was_encoded() {
        let first = First { name: "one".into(), gone: 1 };
        assert_eq!(Snapshot::encode(0, &first).unwrap().decode::<First>().unwrap(), first);
        assert_eq!(Snapshot::encode(0, &Unit).unwrap().decode::<Unit>().unwrap(), Unit);
    }

    #[test]
    fn fields_may_be_added_and_removed() {
        let saved = Snapshot::encode(0, &First { name: "one".into(), gone: 1 }).unwrap();
        assert_eq!(saved.decode::<Second>().unwrap(), Second { visits: 0, name: "one".into() });
        assert!(
            Snapshot::encode(0, &Second { visits: 1, name: String::new() })
                .unwrap()
                .decode::<First>()
                .is_err()
        );
    }

    #[test]
    fn a_unit_struct_may_get_fields() {
        let saved = Snapshot::encode(0, &Unit).unwrap();
        assert_eq!(saved.decode::<Second>().unwrap(), Second { visits: 0, name: String::new() });
    }
}
