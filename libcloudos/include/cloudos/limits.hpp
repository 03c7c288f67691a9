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
#if defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t kStoreMapBytes = std::uint64_t{1} << 34;  ///< All TSan leaves free.
#else
inline constexpr std::uint64_t kStoreMapBytes = std::uint64_t{1} << 40;
#endif
inline constexpr unsigned kStoreReaders = 1'024;
inline constexpr std::uint64_t kStoreMapLeastBytes = 512 << 10;
inline constexpr std::uint64_t kStoreRoomBytes = 1 << 20;  ///< Of the disk, kept for changes when it is full.
inline constexpr std::uint64_t kStoreReserveBytes = 16 << 20;  ///< Of the map, for changes that only erase.
inline constexpr std::size_t kCommitBatchBytes = 8 << 20;  ///< Bodies that share one fsync.

// Guests of a store: other processes that write through the one that owns it.
inline constexpr std::size_t kGuestConnections = 64;
inline constexpr std::size_t kGuestConnectionsEach = 16;   ///< Of one process.
inline constexpr std::size_t kGuestWriters = 8;            ///< Connections a guest commits by.
inline constexpr std::size_t kGuestReruns = 64;            ///< Of a body that met conflicts.
inline constexpr std::size_t kGuestScriptSteps = 16'384;   ///< Reads and writes of one change.
inline constexpr std::size_t kGuestRequestBytes = 4 << 20;
inline constexpr std::size_t kGuestRequestsBytes = 16 << 20;  ///< Of all that are being received.
inline constexpr std::chrono::seconds kGuestFrameTime{5};  ///< From a request's first byte to its last.
inline constexpr std::chrono::seconds kGuestIdleTime{60};
inline constexpr std::chrono::seconds kGuestCallTime{15};  ///< A guest waits for its commit.
inline constexpr std::chrono::seconds kGuestPinLease{10};  ///< What a stopped guest pins, at most.
inline constexpr std::chrono::seconds kGuestPinMost{600};  ///< One snapshot, however often renewed.
inline constexpr std::size_t kGuestPins = 256;
inline constexpr std::chrono::milliseconds kGuestWatchPoll{50};  ///< While no owner tells.
inline constexpr std::size_t kGuestMarkersPerCommit = 16;  ///< Of guests that left: erased with it.

// Maintenance of a data folder.
inline constexpr std::size_t kCheckFindings = 1'000;         ///< Listed by one check; more are counted.
inline constexpr std::size_t kSavedStores = 3;               ///< Of those saved before a one-way step.
inline constexpr std::size_t kManifestBytes = 256 << 20;     ///< Some million files.

// Records.
inline constexpr std::size_t kKeyValueBytes = 200;  ///< A value inside a key; longer ones are hashed.
inline constexpr std::size_t kNameChars = 255;
inline constexpr std::size_t kDescriptionChars = 255;
inline constexpr std::size_t kSortedListRecords = 20'000;  ///< Lists by another sort than creation.
inline constexpr std::size_t kMetadataItems = 128;
inline constexpr std::size_t kMetadataValueChars = 255;

inline constexpr std::size_t kMigrationBatch = 100;             ///< Records of one commit …
inline constexpr std::size_t kMigrationBatchBytes = 256 << 10;  ///< … and what they hold, about.

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

// Identity.
inline constexpr std::size_t kProjectNameChars = 64;  ///< Of domains too.
inline constexpr std::size_t kProjectTags = 80;
inline constexpr std::size_t kProjectDepth = 5;       ///< Levels of projects below their domain.
inline constexpr std::size_t kGroupsOfUser = 64;
inline constexpr std::size_t kRolesOfGrant = 128;    ///< Of one user or group on one target.
inline constexpr std::size_t kExtraFields = 64;
inline constexpr std::size_t kIdentityTextBytes = 65'535;  ///< A description; all extra fields.
inline constexpr std::size_t kUrlChars = 2'048;
inline constexpr std::size_t kPolicyBytes = 1 << 20;       ///< A policy file.
inline constexpr std::size_t kPolicyRules = 4'096;         ///< In a policy file.
inline constexpr std::size_t kPolicyRuleBytes = 4'096;
inline constexpr std::size_t kPolicyDepth = 32;            ///< Parentheses and `not` in one rule.
inline constexpr std::size_t kPolicyChecks = 4'096;        ///< Of one rule with all it refers to.
inline constexpr std::size_t kTokenKeys = 16;              ///< That open tokens, at one time.
inline constexpr std::size_t kLimitsPerCall = 200;         ///< Registered or not, made at once.
inline constexpr std::size_t kTrustsOfUser = 1'000;        ///< Given by one user.
inline constexpr std::uint32_t kTrustDepth = 3;            ///< How often a trust may be handed on.
inline constexpr std::size_t kApplicationCredentialsOfUser = 1'000;
inline constexpr std::size_t kAccessRulesOfUser = 1'000;
inline constexpr std::size_t kAccessRulesOfCredential = 128;
inline constexpr std::size_t kAccessRulePathChars = 128;
inline constexpr std::size_t kAccessRuleWildcards = 16;    ///< In one path.
inline constexpr std::chrono::seconds kReceiptLife{300};   ///< Between two steps of one login.
inline constexpr std::chrono::hours kExpiredTokenWindow{48};  ///< For services that ask for it.
inline constexpr std::size_t kCredentialsOfUser = 1'000;
inline constexpr std::size_t kCredentialBytes = 64 << 10;   ///< A blob.
inline constexpr std::size_t kCredentialTypeChars = 255;
inline constexpr std::size_t kEc2KeyChars = 128;            ///< Either half.
inline constexpr std::size_t kSignedRequestBytes = 64 << 10;  ///< All that is signed.
inline constexpr std::size_t kSignaturesKept = 65'536;      ///< Shown within their life.
inline constexpr unsigned kPasscodeTries = 10;              ///< Of one user, each half minute.
inline constexpr std::size_t kPasscodeUsers = 4'096;        ///< Whose tries are counted at a time.
inline constexpr std::size_t kPasswordHistory = 24;
inline constexpr std::size_t kPasswordRegexBytes = 1'024;
inline constexpr std::size_t kPasswordHashBytes = 512;
inline constexpr std::size_t kFactorRules = 32;             ///< Of one user, and methods of one.
inline constexpr unsigned kLoginsOfUser = 8;               ///< By password, under way at one time.

// Audit.
inline constexpr std::size_t kAuditChanges = 100'000;  ///< Kept: commits that changed something …
inline constexpr std::size_t kAuditLogins = 50'000;    ///< … who logged in …
inline constexpr std::size_t kAuditFailures = 20'000;  ///< … and what was refused.
inline constexpr std::chrono::hours kAuditAge{24 * 90};
inline constexpr std::size_t kAuditSlack = 1'000;      ///< Over those numbers, before they are pruned.
inline constexpr std::size_t kAuditPruned = 500;       ///< In one commit.
inline constexpr std::size_t kAuditPendingLogins = 512;   ///< Different ones within kAuditFlush.
inline constexpr std::size_t kAuditPendingFailures = 64;
inline constexpr std::chrono::seconds kAuditFlush{1};    ///< Until what waits is written …
inline constexpr std::chrono::seconds kAuditRepeat{10};  ///< … and until its repetitions are.
inline constexpr std::size_t kAuditTextChars = 256;      ///< Of a path, a user agent, a reason.

// Languages.
inline constexpr std::size_t kLanguageHeaderBytes = 1'024;  ///< Of Accept-Language.
inline constexpr std::size_t kLanguageRanges = 32;          ///< In it; more are not looked at.
inline constexpr std::size_t kCatalogueBytes = 4 << 20;     ///< Of a .po file.
inline constexpr std::size_t kLanguages = 256;              ///< That a folder of them adds.

// Tasks.
inline constexpr unsigned kWorkers = 256;
inline constexpr std::size_t kIdleThreads = 6;  ///< Workers that rest at most; more go at once.
inline constexpr std::chrono::seconds kIdleThread{5};  ///< A worker with nothing to do ends then.
inline constexpr std::size_t kTaskSteps = 32;
inline constexpr std::uint32_t kTaskAttempts = 8;
inline constexpr std::chrono::milliseconds kBackoffFirst{200};
inline constexpr std::chrono::milliseconds kBackoffMost{30'000};
inline constexpr std::chrono::milliseconds kStuckRetry{60'000};  ///< Stuck by a retryable error.
inline constexpr std::chrono::milliseconds kStuckRetryFinal{600'000};  ///< Stuck by any other.
inline constexpr std::size_t kHostLanes = 2;
inline constexpr std::size_t kFinishedTasksKept = 10'000;
inline constexpr std::size_t kFinishedTasksSlack = 1'000;  ///< Over that, before they are pruned.

// Compute.
inline constexpr std::size_t kConsoleBytes = 100 << 10;   ///< Of the console log, per answer.
inline constexpr std::size_t kServersPerCall = 100;       ///< max_count of one create.
inline constexpr std::size_t kServerPorts = 16;
inline constexpr std::size_t kKeypairsPerUser = 100;
inline constexpr std::size_t kPublicKeyBytes = 16 << 10;
inline constexpr std::size_t kServersFixedPerPass = 64;   ///< By one pass of the reconciler.
inline constexpr std::size_t kHosts = 16'384;
inline constexpr std::chrono::seconds kGracefulStop{60};
inline constexpr std::chrono::seconds kInterfaceLeaves{60};  ///< A guest's time to give one up.
inline constexpr std::chrono::seconds kHostPeriod{10};    ///< Between two looks at a host.
inline constexpr std::chrono::seconds kHostDown{60};      ///< Without an answer for as long: down.

// Hypervisor: what one domain may have; one PCI bus carries disks and interfaces.
inline constexpr std::uint32_t kDomainVcpus = 255;
inline constexpr std::uint64_t kDomainRamMib = std::uint64_t{16} << 20;
inline constexpr std::size_t kDomainDisks = 26;
inline constexpr std::size_t kDomainNics = 28;
inline constexpr std::size_t kDiskBackingBytes = 1'023;   ///< Of a path: what qcow2 holds.
inline constexpr std::uint64_t kDiskBytes = std::uint64_t{64} << 40;
inline constexpr std::size_t kConsoleLogBytes = 4 << 20;  ///< Then its older half is dropped.
inline constexpr std::size_t kLibvirtCalls = 64;           ///< Under way or hung, of one connection.

// Images.
inline constexpr std::size_t kImageTags = 128;
inline constexpr std::size_t kImageProperties = 128;
inline constexpr std::size_t kImagePropertyChars = 65'535;
inline constexpr std::size_t kImageMembers = 128;
inline constexpr std::size_t kPropertyRules = 256;         ///< Sections of property protections.
inline constexpr std::size_t kPropertyRuleChars = 1'024;   ///< Of one of their expressions.
inline constexpr std::size_t kMetadefNamespaces = 1'000;
inline constexpr std::size_t kMetadefBytes = 384 << 10;    ///< Of a namespace with all in it.
inline constexpr std::size_t kMetadefItems = 1'000;        ///< Of one sort in a namespace.
inline constexpr std::size_t kMetadefNameChars = 80;
inline constexpr std::size_t kMetadefTextChars = 500;
inline constexpr std::size_t kMetadefResourceTypes = 256;
inline constexpr std::size_t kImageQueryValues = 256;  ///< Of one filter: ids, names, tags.
inline constexpr std::uint64_t kImageBytes = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kImageVirtualBytes = std::uint64_t{1} << 44;
inline constexpr std::uint64_t kImageMemoryBytes = 256 << 20;  ///< In a cloud without a folder.
inline constexpr std::size_t kImageChunkBytes = 256 << 10;     ///< Memory of a running upload.
inline constexpr std::size_t kImageDescriptorBytes = 64 << 10;
inline constexpr std::size_t kImageHeaderExtensions = 64;
inline constexpr std::size_t kImageStores = 64;
inline constexpr std::size_t kImageStoreNameChars = 64;
inline constexpr std::size_t kImageLocations = 10;             ///< Of one image, copies included.
inline constexpr std::size_t kImageLocationItems = 32;         ///< Metadata of one location.
inline constexpr std::uint64_t kImageReserveBytes = 64 << 20;  ///< A step, where no size is announced.
inline constexpr std::size_t kImageHashBuffers = 8;            ///< Of kImageChunkBytes, of an upload.
inline constexpr std::uint64_t kImageHashAlone = 4 << 20;      ///< Then hashes get threads.
inline constexpr std::size_t kImageCacheQueue = 256;
inline constexpr std::size_t kImageSweepItems = 64;            ///< A pass of the reconciler.
inline constexpr std::size_t kImageTarEntries = 1'024;         ///< Of an OVA.
inline constexpr std::size_t kImageRegions = 2'047;            ///< Of a VHDX's table.
inline constexpr std::chrono::hours kImageStagedTime{24};      ///< Then nobody will import it.
inline constexpr std::chrono::hours kImageTaskTime{48};        ///< Of a finished import's record.
inline constexpr std::size_t kImageImportStores = 64;          ///< Named in one import.
inline constexpr std::size_t kImageSignaturesKnown = 1'024;    ///< Checked before, by one process.
inline constexpr std::size_t kUrlBytes = 4'096;
inline constexpr std::size_t kUrlAddresses = 16;               ///< Of one name, that are tried.
inline constexpr std::chrono::seconds kFetchConnectTime{10};
inline constexpr std::chrono::seconds kFetchStallTime{30};     ///< Without a byte.
inline constexpr std::size_t kFetchHeadBytes = 32 << 10;       ///< Of an answer, before its body.
inline constexpr std::size_t kRemoteImageBytes = 4 << 20;      ///< Of what a service says of one.
inline constexpr std::size_t kRemoteTokenBytes = 8 << 10;      ///< Of a token that is lent.
inline constexpr std::size_t kCertificateBytes = 64 << 10;
inline constexpr std::size_t kCertificatesPerProject = 256;
inline constexpr std::size_t kCertificateChain = 8;            ///< From signer to trusted.

// Observing.
inline constexpr std::size_t kMetricSeries = 2'000;  ///< Label sets of one metric's name.

// Edges.
inline constexpr std::size_t kJsonDepth = 32;
inline constexpr std::size_t kJsonBodyBytes = 1 << 20;
inline constexpr std::size_t kAnonymousBodyBytes = 64 << 10;  ///< Without a token: a login.
inline constexpr std::size_t kSmallBodyBytes = 4 << 10;       ///< Not counted towards the next.
inline constexpr std::size_t kPendingBodyBytes = 64 << 20;    ///< Of all connections, not handled yet.
inline constexpr std::size_t kHeaderBytes = 32 << 10;
inline constexpr std::size_t kUriBytes = 16 << 10;
inline constexpr std::size_t kHeaderFields = 128;
inline constexpr std::size_t kPathSegments = 32;
inline constexpr std::size_t kQueryParameters = 256;
inline constexpr std::size_t kListPage = 1'000;
inline constexpr std::size_t kRowTextBytes = 32 << 20;  ///< Of rows of one kind, kept for lists.
inline constexpr std::size_t kConnections = 10'000;
inline constexpr unsigned kCommitThreads = 64;     ///< Writers share an fsync only if they wait together.
inline constexpr unsigned kStreamThreads = 64;
inline constexpr unsigned kHashThreads = 2;
inline constexpr std::size_t kQueuedRequests = 1'024;  ///< A pool's; more are answered 503.
inline constexpr std::chrono::seconds kHandshakeTime{10};  ///< TLS, from accept to the first request.
inline constexpr std::chrono::seconds kHeadTime{10};   ///< From a request's first byte to its blank line.
inline constexpr std::chrono::seconds kBodyTime{60};   ///< For a body that is read before it is handled.
inline constexpr std::chrono::seconds kIdleTime{75};   ///< Between two requests.
inline constexpr std::chrono::seconds kStallTime{30};  ///< A stream without a byte.
inline constexpr std::uint64_t kStreamBytesPerSecond = 1'024;  ///< The least, on the average.
inline constexpr std::chrono::seconds kLingerTime{3};   ///< For what a refused client still sends.
inline constexpr std::chrono::seconds kDrainTime{10};  ///< For requests under way at the stop.
inline constexpr std::size_t kPasswordBytes = 4'096;
inline constexpr std::size_t kConfigBytes = 1 << 20;   ///< Of a configuration file.
inline constexpr std::size_t kUserDataBytes = 65'535;  ///< Of the base64 text, as Compute has it.

}  // namespace cloudos::limits
