use serde::{Serialize, de::DeserializeOwned};

use crate::{bindings::narrowboat::consumer::types, error::Error, message};

/// What a consumer, or a module, leaves for its successor in another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The shape of `state`, as its writer numbers it:
    /// [`Consumer::SCHEMA_VERSION`](crate::Consumer::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The state, in whatever form the writer chose.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// Writes `value` as MessagePack with field names, so that a later version may have other
    /// fields.
    ///
    /// # Errors
    /// When serde cannot write the value.
    pub fn encode<T: Serialize + ?Sized>(schema: u32, value: &T) -> Result<Self, Error> {
        Ok(Self { schema_version: schema, state: message::to_vec(value)? })
    }

    /// Reads what [`Snapshot::encode`] wrote. A field that the state does not have needs
    /// `#[serde(default)]`; one that `T` does not have is skipped.
    ///
    /// # Errors
    /// When the state is not of this shape.
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
    fn from(saved: Snapshot) -> Self {
        Self { schema: saved.schema_version, state: saved.state }
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
    fn a_state_comes_back() {
        let first = First { name: "one".into(), gone: 1 };
        assert_eq!(Snapshot::encode(0, &first).unwrap().decode::<First>().unwrap(), first);
        assert_eq!(Snapshot::encode(0, &Unit).unwrap().decode::<Unit>().unwrap(), Unit);
    }

    #[test]
    fn fields_may_come_and_go() {
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
    fn a_consumer_without_state_may_get_one() {
        let saved = Snapshot::encode(0, &Unit).unwrap();
        assert_eq!(saved.decode::<Second>().unwrap(), Second { visits: 0, name: String::new() });
    }
}
