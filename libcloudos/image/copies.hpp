#pragma once
#include "image/impl.hpp"
#include "tasks/task.hpp"

/// Copies of an image's data in more than one store, and the list that both its records keep.
namespace cloudos::image {

/// "copy-image": copies the data of `image` to `store`. Until it ends the image says so in
/// importing_to; a copy that fails leaves no byte and its store in failed_stores.
tasks::TaskType copy_task(Images::Impl& images);

/// Reads the data whole, with its checksum compared, into a store. Repeatable: begins anew.
/// `go_on` is asked between two pieces. Errors: Unavailable, StorageFull, what `go_on` says.
Result<void> copy_data(const Images::Impl& images, const Payload& payload, std::string_view store,
                       const std::function<Result<void>()>& go_on);

/// Both records of an image get these locations; with the quota. Errors: NotFound.
Result<void> put_locations(store::Txn& txn, Image& image, Payload& payload,
                           std::vector<ImageLocation> locations);
/// Takes one location out of both records; the data of ours becomes garbage.
/// Errors: Forbidden (the last one), Conflict (servers boot from it).
Result<void> drop_location(store::Txn& txn, Image& image, Payload& payload, std::size_t at);

}  // namespace cloudos::image
