#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every limit of the library, by name. Each one has a test that reaches it.
namespace cloudos::limits {

// Store: the same on every backend (LMDB's longest key is 511 bytes).
inline constexpr std::size_t kKeyBytes = 480;
inline constexpr std::size_t kTxnKeys = 2'048;
inline constexpr std::size_t kTxnBytes = 1 << 20;
inline constexpr std::size_t kScanPage = 1'000;
inline constexpr std::size_t kReplanRounds = 16;
inline constexpr std::size_t kChangeLogEntries = 100'000;
inline constexpr std::uint64_t kStoreMapBytes = std::uint64_t{1} << 40;
inline constexpr unsigned kStoreReaders = 1'024;

// Records.
inline constexpr std::size_t kKeyValueBytes = 200;  ///< A value inside a key; longer ones are hashed.
inline constexpr std::size_t kNameChars = 255;
inline constexpr std::size_t kDescriptionChars = 255;
inline constexpr std::size_t kSortedListRecords = 20'000;  ///< Lists by another sort than creation.
inline constexpr std::size_t kMetadataItems = 128;
inline constexpr std::size_t kMetadataValueChars = 255;

// Networks.
inline constexpr std::size_t kNetworkBulk = 100;           ///< Resources in one bulk request.
inline constexpr unsigned kSubnetPrefixLeast = 8;          ///< The largest subnet is a /8.
inline constexpr std::size_t kSubnetsPerNetwork = 64;
inline constexpr std::size_t kSubnetPools = 64;
inline constexpr std::size_t kSubnetDnsServers = 5;
inline constexpr std::size_t kSubnetHostRoutes = 20;
inline constexpr std::size_t kPortFixedIps = 8;
inline constexpr std::size_t kPortGroups = 32;
inline constexpr std::size_t kPortAddressPairs = 10;
inline constexpr std::size_t kPortProfileBytes = 4'096;
inline constexpr std::size_t kDeviceChars = 255;
inline constexpr std::size_t kMacAttempts = 8;             ///< MACs drawn until one is free.

// Tasks.
inline constexpr std::size_t kTaskSteps = 32;
inline constexpr std::uint32_t kTaskAttempts = 8;
inline constexpr std::chrono::milliseconds kBackoffFirst{200};
inline constexpr std::chrono::milliseconds kBackoffMost{30'000};
inline constexpr std::chrono::milliseconds kStuckRetry{60'000};  ///< Stuck by a retryable error.
inline constexpr std::size_t kHostLanes = 2;
inline constexpr std::size_t kFinishedTasksKept = 10'000;

// Compute.
inline constexpr std::size_t kConsoleBytes = 100 << 10;   ///< Of the console log, per answer.
inline constexpr std::size_t kServersPerCall = 100;       ///< max_count of one create.
inline constexpr std::size_t kServerPorts = 16;
inline constexpr std::size_t kKeypairsPerUser = 100;
inline constexpr std::size_t kPublicKeyBytes = 16 << 10;
inline constexpr std::size_t kServersFixedPerPass = 64;   ///< By one pass of the reconciler.
inline constexpr std::size_t kHosts = 16'384;
inline constexpr std::uint32_t kPlacementTries = 3;       ///< Hosts a build is tried on.
inline constexpr std::chrono::seconds kGracefulStop{60};
inline constexpr std::chrono::seconds kHostPeriod{10};    ///< Between two looks at a host.
inline constexpr std::chrono::seconds kHostDown{60};      ///< Without an answer for as long: down.

// Hypervisor: what one domain may have; one PCI bus carries disks and interfaces.
inline constexpr std::uint32_t kDomainVcpus = 255;
inline constexpr std::uint64_t kDomainRamMib = std::uint64_t{16} << 20;
inline constexpr std::size_t kDomainDisks = 26;
inline constexpr std::size_t kDomainNics = 28;
inline constexpr std::size_t kConsoleLogBytes = 4 << 20;  ///< Then its older half is dropped.
inline constexpr std::size_t kStuckDriverCalls = 8;       ///< Hung in libvirt; then calls are refused.

// Edges.
inline constexpr std::size_t kJsonDepth = 32;
inline constexpr std::size_t kJsonBodyBytes = 1 << 20;
inline constexpr std::size_t kHeaderBytes = 32 << 10;
inline constexpr std::size_t kUriBytes = 16 << 10;
inline constexpr std::size_t kPathSegments = 32;
inline constexpr std::size_t kQueryParameters = 256;
inline constexpr std::size_t kListPage = 1'000;
inline constexpr std::size_t kPasswordBytes = 4'096;
inline constexpr std::size_t kUserDataBytes = 65'535;  ///< Of the base64 text, as Compute has it.

}  // namespace cloudos::limits
