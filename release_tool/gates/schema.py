"""The fields of onnx.proto that can stand in a model, as a table.

It says what ONNX knows, not what is allowed; a test keeps it equal to the onnx package.
"""

from dataclasses import dataclass

WIRE_TYPES = {"int64": 0, "int32": 0, "enum": 0, "float": 5}
"""Everything else is length-delimited, wire type 2."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What a field is called and how its value is encoded.

    `kind` is a scalar type, the name of a message in the table, or `unread` for a field whose
    mere presence decides, so that nobody has to look into it.
    """

    name: str
    kind: str
    repeated: bool

    @property
    def wire_type(self) -> int:
        """The three low bits of the field's tag."""
        return WIRE_TYPES.get(self.kind, 2)


# onnx.proto (IR version 13). proto2: repeated numbers are unpacked, the `*_data` fields are packed.
TABLE = """
ModelProto
  1 ir_version int64
  2 producer_name string
  3 producer_version string
  4 domain string
  5 model_version int64
  6 doc_string string
  7 graph GraphProto
  8 opset_import OperatorSetIdProto repeated
  14 metadata_props StringStringEntryProto repeated
  20 training_info unread repeated
  25 functions unread repeated
  26 configuration unread repeated
GraphProto
  1 node NodeProto repeated
  2 name string
  5 initializer TensorProto repeated
  10 doc_string string
  11 input ValueInfoProto repeated
  12 output ValueInfoProto repeated
  13 value_info ValueInfoProto repeated
  14 quantization_annotation unread repeated
  15 sparse_initializer unread repeated
  16 metadata_props unread repeated
NodeProto
  1 input string repeated
  2 output string repeated
  3 name string
  4 op_type string
  5 attribute AttributeProto repeated
  6 doc_string string
  7 domain string
  8 overload string
  9 metadata_props unread repeated
  10 device_configurations unread repeated
AttributeProto
  1 name string
  2 f float
  3 i int64
  4 s bytes
  5 t TensorProto
  6 g GraphProto
  7 floats float repeated
  8 ints int64 repeated
  9 strings bytes repeated
  10 tensors TensorProto repeated
  11 graphs GraphProto repeated
  13 doc_string string
  14 tp unread
  15 type_protos unread repeated
  20 type enum
  21 ref_attr_name string
  22 sparse_tensor unread
  23 sparse_tensors unread repeated
TensorProto
  1 dims int64 repeated
  2 data_type int32
  3 segment unread
  4 float_data unread repeated
  5 int32_data unread repeated
  6 string_data unread repeated
  7 int64_data unread repeated
  8 name string
  9 raw_data bytes
  10 double_data unread repeated
  11 uint64_data unread repeated
  12 doc_string string
  13 external_data unread repeated
  14 data_location enum
  16 metadata_props unread repeated
ValueInfoProto
  1 name string
  2 type TypeProto
  3 doc_string string
  4 metadata_props unread repeated
TypeProto
  1 tensor_type TensorType
  4 sequence_type unread
  5 map_type unread
  6 denotation string
  7 opaque_type unread
  8 sparse_tensor_type unread
  9 optional_type unread
TensorType
  1 elem_type int32
  2 shape TensorShapeProto
TensorShapeProto
  1 dim Dimension repeated
Dimension
  1 dim_value int64
  2 dim_param string
  3 denotation string
OperatorSetIdProto
  1 domain string
  2 version int64
StringStringEntryProto
  1 key string
  2 value string
"""


def read_table(table: str) -> dict[str, dict[int, FieldSpec]]:
    """Turn the table into message -> field number -> field."""
    schema: dict[str, dict[int, FieldSpec]] = {}
    for line in table.strip().splitlines():
        match line.split():
            case [message]:
                schema[message] = {}
            case [number, name, kind, *repeated]:
                schema[message][int(number)] = FieldSpec(name, kind, bool(repeated))
    return schema


SCHEMA = read_table(TABLE)
