#include "image/metadefs/usual.hpp"

// Settings in the words of the Common Information Model (DMTF).
namespace cloudos::image {
namespace {

constexpr UsualType kCIMProcessorAllocationSettingDataTypes[] = {
    {"OS::Cinder::Volume", "CIM_PASD_", "image"},
    {"OS::Glance::Image", "CIM_PASD_"},
    {"OS::Nova::Aggregate", "CIM_PASD_"},
    {"OS::Nova::Flavor", "CIM_PASD_"},
    {"OS::Nova::Server", "", "metadata"},
};
constexpr UsualProperty kCIMProcessorAllocationSettingDataRows[] = {
    {"InstructionSet", "string", "Instruction set",
     "Instruction set of the processor.",
     R"("enum":["DMTF:x86:i386","DMTF:x86:i486","DMTF:x86:i586","DMTF:x86:i686","DMTF:x86:64",)"
     R"("DMTF:IA-64:IA-64","DMTF:ARM:ARMv7","DMTF:ARM:ARM-A64","DMTF:Power:Power_2.06",)"
     R"("DMTF:S/390:z/Architecture"])"},
    {"ProcessorArchitecture", "string", "Processor architecture",
     "Bits of the architecture.",
     R"("enum":["0 - Unknown","2 - 16 bit","3 - 32 bit","4 - 64 bit"])"},
    {"InstructionSetExtensionName", "array", "Instruction set extensions",
     "Extensions that the processor must have.",
     R"("operators":["<or>","<all-in>"],"items":{"type":"string","enum":["DMTF:x86:AES-NI",)"
     R"("DMTF:x86:AVX","DMTF:x86:AVX2","DMTF:x86:F16C","DMTF:x86:FMA3","DMTF:x86:MMX",)"
     R"("DMTF:x86:SSE","DMTF:x86:SSE2","DMTF:x86:SSE3","DMTF:x86:SSE4.1","DMTF:x86:SSE4.2"]})"},
};

constexpr UsualType kCIMResourceAllocationSettingDataTypes[] = {
    {"OS::Cinder::Volume", "CIM_RASD_", "image"},
    {"OS::Glance::Image", "CIM_RASD_"},
    {"OS::Nova::Aggregate", "CIM_RASD_"},
    {"OS::Nova::Flavor", "CIM_RASD_"},
    {"OS::Nova::Server", "", "metadata"},
};
constexpr UsualProperty kCIMResourceAllocationSettingDataRows[] = {
    {"AllocationUnits", "string", "Allocation units",
     "Unit of reservation and limit: byte*2^20, hertz*10^6."},
    {"AutomaticAllocation", "string", "Automatic allocation",
     "Allocated when the system is activated.",
     R"("enum":["true","false"])"},
    {"AutomaticDeallocation", "string", "Automatic deallocation",
     "Given back when the system is deactivated.",
     R"("enum":["true","false"])"},
    {"Limit", "string", "Limit",
     "The most that is granted."},
    {"Reservation", "string", "Reservation",
     "What is granted for sure."},
    {"VirtualQuantity", "string", "Quantity",
     "How much the system sees."},
    {"Weight", "string", "Weight",
     "Priority against others of the pool."},
    {"ResourceType", "string", "Resource type",
     "Type of the resource, by CIM number and name.",
     R"("enum":["3 - Processor","4 - Memory","5 - IDE Controller","6 - Parallel SCSI HBA",)"
     R"("10 - Ethernet Adapter","13 - Floppy Drive","14 - CD Drive","15 - DVD drive",)"
     R"("17 - Disk Drive","23 - USB Controller","24 - Graphics controller"])"},
    {"ResourceSubType", "string", "Resource subtype",
     "Model of the device."},
};

constexpr UsualType kCIMStorageAllocationSettingDataTypes[] = {
    {"OS::Cinder::Volume", "CIM_SASD_", "image"},
    {"OS::Glance::Image", "CIM_SASD_"},
    {"OS::Nova::Aggregate", "CIM_SASD_"},
    {"OS::Nova::Flavor", "CIM_SASD_"},
    {"OS::Nova::Server", "", "metadata"},
};
constexpr UsualProperty kCIMStorageAllocationSettingDataRows[] = {
    {"Access", "string", "Access",
     "What may be done with the extent.",
     R"("enum":["0 - Unknown","1 - Readable","2 - Writeable","3 - Read/Write Supported"])"},
    {"HostExtentName", "string", "Host extent",
     "Name of the extent on the host."},
    {"HostResourceBlockSize", "string", "Host block size",
     "Bytes of a block on the host."},
    {"VirtualResourceBlockSize", "string", "Block size",
     "Bytes of a block that the system sees."},
    {"Limit", "string", "Limit",
     "The most blocks that are granted."},
    {"Reservation", "string", "Reservation",
     "Blocks that are granted for sure."},
    {"VirtualQuantity", "string", "Quantity",
     "Blocks that the system sees."},
};

constexpr UsualType kCIMVirtualSystemSettingDataTypes[] = {
    {"OS::Cinder::Volume", "CIM_VSSD_", "image"},
    {"OS::Glance::Image", "CIM_VSSD_"},
    {"OS::Nova::Aggregate", "CIM_VSSD_"},
    {"OS::Nova::Flavor", "CIM_VSSD_"},
    {"OS::Nova::Server", "", "metadata"},
};
constexpr UsualProperty kCIMVirtualSystemSettingDataRows[] = {
    {"AutomaticRecoveryAction", "string", "Recovery",
     "When the software of the host fails.",
     R"("enum":["2 - None","3 - Restart","4 - Revert to snapshot"])"},
    {"AutomaticShutdownAction", "string", "Shutdown",
     "When the host shuts down.",
     R"("enum":["2 - Turn Off","3 - Save state","4 - Shutdown"])"},
    {"AutomaticStartupAction", "string", "Startup",
     "When the host starts.",
     R"("enum":["2 - None","3 - Restart if previously active","4 - Always startup"])"},
    {"AutomaticStartupActionDelay", "string", "Startup delay",
     "How long a start waits, as a CIM interval."},
    {"AutomaticStartupActionSequenceNumber", "string", "Startup order",
     "Lower ones start first."},
    {"ConfigurationDataRoot", "string", "Configuration folder",
     "Where the configuration of the system is."},
    {"ConfigurationFile", "string", "Configuration file",
     "Name of its file."},
    {"VirtualSystemIdentifier", "string", "Identifier",
     "Name of the system on its platform."},
    {"VirtualSystemType", "string", "Type",
     "Type of the system: DMTF:xen:PV, vmx-13, kvm."},
};

constexpr UsualSpace kUsualCim[] = {
    {"CIM::ProcessorAllocationSettingData", "CIM: Processors",
     "Processors of a virtual system, in the words of CIM.",
     kCIMProcessorAllocationSettingDataTypes, kCIMProcessorAllocationSettingDataRows},
    {"CIM::ResourceAllocationSettingData", "CIM: Resources",
     "How resources of a virtual system are allocated, in the words of CIM.",
     kCIMResourceAllocationSettingDataTypes, kCIMResourceAllocationSettingDataRows},
    {"CIM::StorageAllocationSettingData", "CIM: Storage",
     "Storage of a virtual system, in the words of CIM.",
     kCIMStorageAllocationSettingDataTypes, kCIMStorageAllocationSettingDataRows},
    {"CIM::VirtualSystemSettingData", "CIM: Virtual Systems",
     "How a virtual system starts, stops and recovers, in the words of CIM.",
     kCIMVirtualSystemSettingDataTypes, kCIMVirtualSystemSettingDataRows},
};

}  // namespace

std::span<const UsualSpace> usual_cim() { return kUsualCim; }

}  // namespace cloudos::image
