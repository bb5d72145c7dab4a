//! Serializers that take few kinds of values.

/// Writes methods of a `Serializer` that answer with `self.refuse()`: groups of them, or simple ones
/// by name.
macro_rules! refuse {
    (compounds) => {
        type SerializeMap = serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeStruct = serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeStructVariant = serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeTupleVariant = serde::ser::Impossible<Self::Ok, Self::Error>;

        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStruct, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_newtype_variant<T: serde::Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    };
    (lists) => {
        type SerializeSeq = serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeTuple = serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeTupleStruct = serde::ser::Impossible<Self::Ok, Self::Error>;

        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_tuple_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleStruct, Self::Error> {
            Err(self.refuse())
        }
    };
    (units) => {
        fn serialize_unit(self) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_unit_struct(self, _: &'static str) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    };
    (options) => {
        fn serialize_none(self) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }

        fn serialize_some<T: serde::Serialize + ?Sized>(
            self,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    };
    (unit_variants) => {
        fn serialize_unit_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
        ) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    };
    (newtypes) => {
        fn serialize_newtype_struct<T: serde::Serialize + ?Sized>(
            self,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    };
    (simple: $($method:ident($type:ty))*) => {$(
        fn $method(self, _: $type) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    )*};
    (numbers) => {
        $crate::socket::ser::refuse::refuse! { simple:
            serialize_bool(bool)
            serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
            serialize_i128(i128)
            serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
            serialize_u128(u128)
            serialize_f32(f32) serialize_f64(f64)
        }
    };
    (texts) => {
        $crate::socket::ser::refuse::refuse! { simple: serialize_char(char) serialize_str(&str) }

        fn collect_str<T: core::fmt::Display + ?Sized>(
            self,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            Err(self.refuse())
        }
    };
    ($first:ident $($rest:ident)*) => {
        $crate::socket::ser::refuse::refuse! { $first }
        $($crate::socket::ser::refuse::refuse! { $rest })*
    };
}
pub(super) use refuse;
