//! Frames of RFC 6455, section 5, and their compression by permessage-deflate (RFC 7692).

mod deflate;
mod extension;
mod frame_decoder;
mod frame_encoder;

pub use deflate::DeflateParams;
pub(crate) use deflate::{Deflater, Inflater};
pub use extension::Extension;
pub use frame_decoder::IncomingLimits;
pub(crate) use frame_decoder::{FrameDecoder, IncomingEvent};
pub(crate) use frame_encoder::{
    BATCH_BYTES, FrameEncoder, MIN_ZERO_COPY_BYTES, WriteBatch, with_batch,
};
