#pragma once
#include <memory>

#include "cloudos/cloud.hpp"
#include "cloudos/locale.hpp"

namespace cloudos {

/// The languages that `options` add to those of the library; null: they add none.
/// Errors: InvalidArgument (not a .po file, or not one of these messages), NotFound (no folder),
/// TooLarge.
Result<std::unique_ptr<const locale::Catalogues>> read_languages(const Options& options);

}  // namespace cloudos
