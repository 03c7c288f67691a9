#pragma once
#include "cloudos/image_rules.hpp"
#include "cloudos/images.hpp"
#include "image/inspect.hpp"

namespace cloudos::image {

/// What was found out of data that may be kept.
struct Verified {
  std::uint64_t virtual_size_bytes = 0;  ///< 0: nobody knows, as of an archive.
  std::string format_problem;            ///< See Image::format_problem.
};

/// Inspects data for an image with these formats. Refused in any case: no bytes, whatever could be
/// taken for a disk that names other files, is broken, or is of another format than it says; with
/// `require_match` also plain bytes in place of a structured format. Archives are kept as they are,
/// but for OVAs: nothing ever opens them as a disk.
/// Errors: InvalidArgument, and those of `bytes`.
Result<Verified> verify_content(RandomReader& bytes, DiskFormat disk, ContainerFormat container,
                                bool require_match);

}  // namespace cloudos::image
