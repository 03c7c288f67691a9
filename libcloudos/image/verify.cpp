#include "image/verify.hpp"

#include <fmt/format.h>

#include "image/rules.hpp"

namespace cloudos::image {

Result<Verified> verify_content(RandomReader& bytes, DiskFormat disk, ContainerFormat container,
                                bool require_match) {
  Verified verified;
  if (bytes.size() == 0) {
    // Stored as asked, and nothing that a server could boot from.
    if (require_match && disk != DiskFormat::Raw && is_bootable(container))
      return fail(ErrorCode::InvalidArgument, "image data refused: it has no bytes");
    verified.format_problem = "it has no bytes";
    return verified;
  }
  InspectRules rules;
  rules.ova = container == ContainerFormat::Ova;
  if (!is_bootable(container) && !rules.ova) return verified;
  CLOUDOS_TRY(const Inspection found, inspect(bytes, rules));
  // Bytes without any structure mislead nobody: no tool follows them anywhere. The other way
  // round, a structure where plain bytes were promised, is how files of a host get out.
  const bool plain = found.content == Content::Raw && (found.problem.empty() || rules.ova);
  const auto matches = check_content(found, disk);
  if (!matches && (require_match || !plain)) return fail(matches.error());
  if (!matches) {
    verified.format_problem = fmt::format("it is not {}", cloudos::to_string(disk));
  } else {
    verified.virtual_size_bytes = found.virtual_size_bytes;
  }
  return verified;
}

}  // namespace cloudos::image
