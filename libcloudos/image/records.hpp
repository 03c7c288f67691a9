#pragma once
#include <string>
#include <string_view>

#include "cloudos/images.hpp"
#include "codec/fields.hpp"
#include "records/table.hpp"

/// How images are stored.
///   /image/<id>                     Image
///   /image-payload/<id>             what its data is; outlives the image while a pin does
///   /image-pin/<image>/<holder>     somebody boots from the data
///   /image-garbage/<id>             the data is to be removed, and the id is not free until then
namespace cloudos {

void fields(codec::FieldVisitor& v, ImageMember& m);
void fields(codec::FieldVisitor& v, ImageLocation& l);
void fields(codec::FieldVisitor& v, Image& i);
void keys(records::Keys& k, const Image& i);

namespace image {

/// The store in the data folder: the only one that folders of old have.
inline constexpr std::string_view kFirstStore = "file";
/// Data without a location is in the first store: what was stored before there were others.
void name_first_store(bool has_data, std::vector<ImageLocation>& locations);

/// The verified data of an image.
struct Payload {
  static constexpr std::string_view kKind = "image-payload";
  static constexpr std::uint32_t kSchema = 1;
  ImageId id;
  std::uint64_t generation = 0;
  DiskFormat format = DiskFormat::Raw;
  std::uint64_t size_bytes = 0;
  std::uint64_t virtual_size_bytes = 0;
  std::vector<ImageLocation> locations;  ///< Equal to the image's while there is one.
  std::string sha512;      ///< Empty in records of before there were several stores.
  /// Nobody has looked yet at bytes that were compared with `sha512`.
  bool declared = false;
  std::string boot_store;  ///< Whose copy hosts build on; "http": the host's cache. Fixed by a pin.
  std::string unknown;
};
void fields(codec::FieldVisitor& v, Payload& p);
void keys(records::Keys& k, const Payload& p);

inline constexpr std::string_view kGarbagePrefix = "/image-garbage/";
std::string garbage_key(const ImageId& id);
std::string pin_prefix(const ImageId& id);
std::string pin_key(const ImageId& id, std::string_view holder);

}  // namespace image
}  // namespace cloudos
