#pragma once
#include "image/location_state.hpp"

/// What may be a location of an image.
namespace cloudos::image {

/// A location to be added, and what is known of its data before the commit.
struct PreparedLocation {
  ImageLocation location;
  Findings found;
};

/// Errors: TooLarge, InvalidArgument.
Result<void> check_location_metadata(const std::map<std::string, std::string>& metadata);
/// The URL as it is kept. Only what the web has: a path of this host, or a URL of a store of ours,
/// would let a caller read what is not theirs. Errors: InvalidArgument, Forbidden.
Result<std::string> checked_location_url(const Images::Impl& images, const std::string& text);
/// Errors: TooLarge (too many), Conflict (it has it already).
Result<void> check_place(const Images::Impl& images, const Image& image, const std::string& url);
/// It has data, or waits for some and says what that is going to be. Saving without a claim is what
/// a crash left: it counts as Queued. Errors: Conflict, InvalidArgument.
Result<void> check_takes_location(const Image& image);
/// What was declared is a checksum, and none but that of an image that has data.
/// Errors: Conflict (another one), InvalidArgument.
Result<void> check_declared(const ImageLocationAdd& add, const Image& image);
/// Within a commit: the image becomes Active, with data that somebody else keeps. The caller has
/// seen that it waits for data.
Result<void> first_location(store::Txn& txn, Image& image, Payload& payload,
                            const PreparedLocation& ready);

}  // namespace cloudos::image
