//! Fuzz targets for every decoder of bytes from outside: one for each of [`decoders::DECODERS`].

pub mod decoders;
