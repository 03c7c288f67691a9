#include "image/metadefs/usual.hpp"

// What hosts read of images and flavors.
namespace cloudos::image {
namespace {

constexpr UsualType kComputeVirtCPUTopologyTypes[] = {
    {"OS::Glance::Image", "hw_"},
    {"OS::Cinder::Volume", "hw_", "image"},
    {"OS::Nova::Flavor", "hw:"},
};
constexpr UsualProperty kComputeVirtCPUTopologyRows[] = {
    {"cpu_sockets", "integer", "Sockets",
     "Preferred number of sockets that the guest sees.",
     R"("minimum":1)"},
    {"cpu_cores", "integer", "Cores",
     "Preferred number of cores in each socket.",
     R"("minimum":1)"},
    {"cpu_threads", "integer", "Threads",
     "Preferred number of threads in each core.",
     R"("minimum":1)"},
    {"cpu_max_sockets", "integer", "Most sockets",
     "The most sockets that the guest can use.",
     R"("minimum":1)"},
    {"cpu_max_cores", "integer", "Most cores",
     "The most cores in a socket that the guest can use.",
     R"("minimum":1)"},
    {"cpu_max_threads", "integer", "Most threads",
     "The most threads in a core that the guest can use.",
     R"("minimum":1)"},
};

constexpr UsualType kComputeCPUPinningTypes[] = {
    {"OS::Glance::Image", "hw_"},
    {"OS::Cinder::Volume", "hw_", "image"},
    {"OS::Nova::Flavor", "hw:"},
};
constexpr UsualProperty kComputeCPUPinningRows[] = {
    {"cpu_policy", "string", "CPU policy",
     "shared: vCPUs float over the host CPUs; dedicated: each has one of its own; mixed: some "
     "have.",
     R"("enum":["shared","dedicated","mixed"])"},
    {"cpu_thread_policy", "string", "CPU thread policy",
     "With dedicated CPUs on a host with SMT: prefer siblings, require them, or isolate each "
     "vCPU on a core of its own.",
     R"("enum":["prefer","isolate","require"])"},
};

constexpr UsualType kComputeCPUModeTypes[] = {
    {"OS::Glance::Image", "hw_"},
    {"OS::Nova::Flavor", "hw:"},
};
constexpr UsualProperty kComputeCPUModeRows[] = {
    {"cpu_mode", "string", "CPU mode",
     "none leaves it to the hypervisor, host-model is the nearest to the host that can be "
     "moved, host-passthrough the host itself, custom a named one.",
     R"("enum":["none","host-model","host-passthrough","custom"])"},
};

constexpr UsualType kComputeGuestMemoryBackingTypes[] = {
    {"OS::Glance::Image", "hw_"},
    {"OS::Cinder::Volume", "hw_", "image"},
    {"OS::Nova::Flavor", "hw:"},
};
constexpr UsualProperty kComputeGuestMemoryBackingRows[] = {
    {"mem_page_size", "string", "Size of memory pages",
     "small, large or any, or a size such as 2MB or 1GB."},
};

constexpr UsualType kComputeLibvirtTypes[] = {
    {"OS::Glance::Image", "hw_"},
    {"OS::Nova::Flavor", "hw:"},
};
constexpr UsualProperty kComputeLibvirtRows[] = {
    {"serial_port_count", "integer", "Serial ports",
     "How many serial ports the guest has.",
     R"("minimum":0)"},
    {"boot_menu", "string", "Boot menu",
     "Show the menu of the firmware at boot.",
     R"("enum":["true","false"])"},
    {"mem_encryption", "string", "Memory encryption",
     "Encrypt the memory of the guest, on hosts that can.",
     R"("enum":["true","false"])"},
};

constexpr UsualType kComputeLibvirtImageTypes[] = {
    {"OS::Glance::Image"},
    {"OS::Cinder::Volume", "", "image"},
};
constexpr UsualProperty kComputeLibvirtImageRows[] = {
    {"hw_disk_bus", "string", "Disk bus",
     "What the disk hangs on.",
     R"("enum":["virtio","scsi","ide","sata","usb","fdc","uml","xen","lxc"])"},
    {"hw_cdrom_bus", "string", "CD-ROM bus",
     "What the CD-ROM drive hangs on.",
     R"("enum":["virtio","scsi","ide","sata","usb","fdc","uml","xen","lxc"])"},
    {"hw_scsi_model", "string", "SCSI controller",
     "Model of the controller of SCSI disks.",
     R"("enum":["virtio-scsi","lsilogic","lsisas1068","lsisas1078","buslogic","ibmvscsi",)"
     R"("vmpvscsi","auto"],"default":"virtio-scsi")"},
    {"hw_vif_model", "string", "Network card",
     "Model of the network card.",
     R"("enum":["virtio","e1000","e1000e","igb","ne2k_pci","netfront","pcnet","rtl8139",)"
     R"("spapr-vlan","vmxnet3"])"},
    {"hw_vif_multiqueue_enabled", "string", "Multiqueue",
     "As many queues of the network card as there are vCPUs.",
     R"("enum":["true","false"])"},
    {"hw_video_model", "string", "Video card",
     "Model of the video card.",
     R"("enum":["vga","cirrus","vmvga","xen","qxl","virtio","gop","bochs","none"])"},
    {"hw_video_ram", "integer", "Video memory",
     "The most MiB of video memory; a flavor may allow less.",
     R"("minimum":0)"},
    {"hw_machine_type", "string", "Machine type",
     "Machine of QEMU, such as q35 or pc."},
    {"hw_firmware_type", "string", "Firmware",
     "What boots the guest.",
     R"("enum":["bios","uefi"])"},
    {"os_secure_boot", "string", "Secure boot",
     "Whether the guest boots signed code only; needs uefi.",
     R"("enum":["required","disabled","optional"])"},
    {"hw_rng_model", "string", "Random number generator",
     "Model of the device that gives the guest entropy.",
     R"("default":"virtio")"},
    {"hw_pointer_model", "string", "Pointer",
     "Model of the pointing device.",
     R"("enum":["usbtablet"])"},
    {"hw_input_bus", "string", "Input bus",
     "What keyboard and pointer hang on.",
     R"("enum":["usb","virtio"])"},
    {"hw_pmu", "string", "Performance counters",
     "Show the guest a performance monitoring unit.",
     R"("enum":["true","false"])"},
    {"hw_qemu_guest_agent", "string", "Guest agent",
     "The QEMU guest agent runs on the image.",
     R"("enum":["yes","no"])"},
    {"hw_vif_type", "string", "Kind of interface",
     "How the interface is connected, where the host leaves a choice."},
    {"hw_tpm_version", "string", "TPM version",
     "Version of the emulated TPM.",
     R"("enum":["1.2","2.0"])"},
    {"hw_rescue_bus", "string", "Rescue bus",
     "What the disk hangs on while the guest is rescued.",
     R"("enum":["virtio","scsi","ide","sata","usb"])"},
    {"hw_rescue_device", "string", "Rescue device",
     "As what the rescue image is attached.",
     R"("enum":["disk","cdrom","floppy"])"},
    {"os_command_line", "string", "Kernel command line",
     "Passed to a kernel that is booted directly."},
    {"os_type", "string", "Operating system type",
     "Sort of operating system; sets defaults of devices.",
     R"("enum":["linux","windows"])"},
    {"img_hide_hypervisor_id", "string", "Hide the hypervisor",
     "Do not tell the guest that it runs in a virtual machine.",
     R"("enum":["yes","no"])"},
};

constexpr UsualType kComputeInstanceDataTypes[] = {
    {"OS::Glance::Image"},
    {"OS::Cinder::Volume", "", "image"},
};
constexpr UsualProperty kComputeInstanceDataRows[] = {
    {"img_config_drive", "string", "Config drive",
     "Whether a server must have a config drive.",
     R"("enum":["optional","mandatory"])"},
    {"os_require_quiesce", "string", "Quiesce",
     "Snapshots must freeze the file systems first; needs the guest agent.",
     R"("enum":["yes","no"])"},
};

constexpr UsualType kComputeHypervisorTypes[] = {
    {"OS::Glance::Image"},
    {"OS::Cinder::Volume", "", "image"},
};
constexpr UsualProperty kComputeHypervisorRows[] = {
    {"hypervisor_type", "string", "Hypervisor type",
     "The hypervisor that the image needs; used with img_hv_type.",
     R"("enum":["baremetal","hyperv","kvm","lxc","powervm","qemu","uml","vmware","vz","xen"])"},
    {"img_hv_type", "string", "Hypervisor type of the image",
     "What the scheduler compares with the host.",
     R"("enum":["baremetal","hyperv","kvm","lxc","powervm","qemu","uml","vmware","vz","xen"])"},
    {"img_hv_requested_version", "string", "Hypervisor version",
     "Versions of the hypervisor that the image runs on: >=6.0."},
    {"vm_mode", "string", "Machine mode",
     "Interface between guest and hypervisor.",
     R"("enum":["hvm","xen","uml","exe"])"},
};

constexpr UsualType kComputeQuotaTypes[] = {
    {"OS::Nova::Flavor"},
};
constexpr UsualProperty kComputeQuotaRows[] = {
    {"quota:cpu_shares", "integer", "CPU shares",
     "Weight of the guest where CPU time is short.",
     R"("minimum":0)",
     "CPU Limits"},
    {"quota:cpu_period", "integer", "CPU period",
     "Microseconds over which cpu_quota is counted.",
     R"("minimum":1000,"maximum":1000000)",
     "CPU Limits"},
    {"quota:cpu_quota", "integer", "CPU quota",
     "Microseconds of CPU time for each vCPU in one period; negative: no limit.",
     {},
     "CPU Limits"},
    {"quota:disk_read_bytes_sec", "integer", "Disk: bytes read",
     "The most bytes read from a disk in a second.",
     R"("minimum":0)",
     "Disk QoS"},
    {"quota:disk_read_iops_sec", "integer", "Disk: reads",
     "The most reads from a disk in a second.",
     R"("minimum":0)",
     "Disk QoS"},
    {"quota:disk_write_bytes_sec", "integer", "Disk: bytes written",
     "The most bytes written to a disk in a second.",
     R"("minimum":0)",
     "Disk QoS"},
    {"quota:disk_write_iops_sec", "integer", "Disk: writes",
     "The most writes to a disk in a second.",
     R"("minimum":0)",
     "Disk QoS"},
    {"quota:disk_total_bytes_sec", "integer", "Disk: bytes in all",
     "The most bytes read and written in a second.",
     R"("minimum":0)",
     "Disk QoS"},
    {"quota:disk_total_iops_sec", "integer", "Disk: operations in all",
     "The most reads and writes in a second.",
     R"("minimum":0)",
     "Disk QoS"},
    {"quota:vif_inbound_average", "integer", "Network: inbound average",
     "KiB in a second into the guest, on the average.",
     R"("minimum":0)",
     "Virtual Interface QoS"},
    {"quota:vif_inbound_peak", "integer", "Network: inbound peak",
     "The most KiB in a second into the guest.",
     R"("minimum":0)",
     "Virtual Interface QoS"},
    {"quota:vif_inbound_burst", "integer", "Network: inbound burst",
     "KiB that may go into the guest at the peak rate.",
     R"("minimum":0)",
     "Virtual Interface QoS"},
    {"quota:vif_outbound_average", "integer", "Network: outbound average",
     "KiB in a second out of the guest, on the average.",
     R"("minimum":0)",
     "Virtual Interface QoS"},
    {"quota:vif_outbound_peak", "integer", "Network: outbound peak",
     "The most KiB in a second out of the guest.",
     R"("minimum":0)",
     "Virtual Interface QoS"},
    {"quota:vif_outbound_burst", "integer", "Network: outbound burst",
     "KiB that may go out of the guest at the peak rate.",
     R"("minimum":0)",
     "Virtual Interface QoS"},
};

constexpr UsualType kComputeRandomNumberGeneratorTypes[] = {
    {"OS::Nova::Flavor"},
};
constexpr UsualProperty kComputeRandomNumberGeneratorRows[] = {
    {"hw_rng:allowed", "boolean", "Allowed",
     "Images that ask for the device get it."},
    {"hw_rng:rate_bytes", "integer", "Bytes",
     "Bytes that the guest may read in one period.",
     R"("minimum":0)"},
    {"hw_rng:rate_period", "integer", "Period",
     "Length of a period in milliseconds.",
     R"("minimum":1)"},
};

constexpr UsualType kComputeWatchdogTypes[] = {
    {"OS::Glance::Image", "hw_"},
    {"OS::Cinder::Volume", "hw_", "image"},
    {"OS::Nova::Flavor", "hw:"},
};
constexpr UsualProperty kComputeWatchdogRows[] = {
    {"watchdog_action", "string", "Watchdog action",
     "What happens when the guest does not answer.",
     R"("enum":["disabled","reset","poweroff","pause","none"])"},
};

constexpr UsualType kComputeTPMTypes[] = {
    {"OS::Nova::Flavor", "hw:"},
    {"OS::Glance::Image", "hw_"},
};
constexpr UsualProperty kComputeTPMRows[] = {
    {"tpm_model", "string", "TPM model",
     "Interface of the device; CRB needs version 2.0.",
     R"("enum":["TIS","CRB"],"default":"TIS")"},
};

constexpr UsualType kComputeVTPMTypes[] = {
    {"OS::Nova::Flavor", "trait:"},
    {"OS::Glance::Image", "trait:"},
};
constexpr UsualProperty kComputeVTPMRows[] = {
    {"COMPUTE_SECURITY_TPM_1_2", "string", "TPM 1.2",
     "The host must be able to emulate version 1.2.",
     R"("enum":["required"])"},
    {"COMPUTE_SECURITY_TPM_2_0", "string", "TPM 2.0",
     "The host must be able to emulate version 2.0.",
     R"("enum":["required"])"},
};

constexpr UsualType kComputeHostCapabilitiesTypes[] = {
    {"OS::Nova::Flavor", "capabilities:"},
    {"OS::Nova::Aggregate", "aggregate_instance_extra_specs:"},
};
constexpr UsualProperty kComputeHostCapabilitiesRows[] = {
    {"cpu_info:vendor", "string", "CPU vendor",
     "Maker of the CPU, as libvirt names it.",
     R"("operators":["<or>"],"enum":["Intel","AMD"])"},
    {"cpu_info:model", "string", "CPU model",
     "Model of the CPU, as libvirt names it.",
     R"("operators":["<or>"],"enum":["Conroe","Penryn","Nehalem","Westmere","SandyBridge",)"
     R"("IvyBridge","Haswell","Broadwell","Skylake-Client","Skylake-Server",)"
     R"("Cascadelake-Server","Cooperlake","Icelake-Server","SapphireRapids","Opteron_G1",)"
     R"("Opteron_G2","Opteron_G3","Opteron_G4","Opteron_G5","EPYC","EPYC-Rome","EPYC-Milan"])"},
    {"cpu_info:arch", "string", "CPU architecture",
     "Architecture of the host.",
     R"("operators":["<or>"],"enum":["x86_64","i686","aarch64","armv7l","ppc64le","s390x",)"
     R"("riscv64"])"},
    {"cpu_info:topology:sockets", "integer", "Sockets",
     "Sockets of the host.",
     R"("minimum":1)"},
    {"cpu_info:topology:cores", "integer", "Cores",
     "Cores in each socket of the host.",
     R"("minimum":1)"},
    {"cpu_info:topology:threads", "integer", "Threads",
     "Threads in each core of the host.",
     R"("minimum":1)"},
    {"cpu_info:features", "array", "CPU features",
     "Features that the CPU of the host must have.",
     R"("operators":["<or>","<all-in>"],"items":{"type":"string","enum":["aes","avx","avx2",)"
     R"("avx512f","bmi1","bmi2","f16c","fma","mpx","pclmulqdq","pcid","popcnt","rdrand",)"
     R"("rdseed","sha_ni","smap","smep","sse4_1","sse4_2","ssse3","svm","vmx","x2apic","xsave"]})"},
};

constexpr UsualType kComputeAggregateDiskFilterTypes[] = {
    {"OS::Nova::Aggregate"},
};
constexpr UsualProperty kComputeAggregateDiskFilterRows[] = {
    {"disk_allocation_ratio", "number", "Disk allocation ratio",
     "Disk given out to disk there is.",
     R"("minimum":0)"},
};

constexpr UsualType kComputeAggregateIoOpsFilterTypes[] = {
    {"OS::Nova::Aggregate"},
};
constexpr UsualProperty kComputeAggregateIoOpsFilterRows[] = {
    {"max_io_ops_per_host", "integer", "Most IO operations",
     "Servers that are built, resized, snapshot or migrated at a time.",
     R"("minimum":1,"default":8)"},
};

constexpr UsualType kComputeAggregateNumInstancesFilterTypes[] = {
    {"OS::Nova::Aggregate"},
};
constexpr UsualProperty kComputeAggregateNumInstancesFilterRows[] = {
    {"max_instances_per_host", "integer", "Most servers",
     "The most servers on one host.",
     R"("minimum":0)"},
};

constexpr UsualType kComputeGuestShutdownBehaviorTypes[] = {
    {"OS::Glance::Image"},
    {"OS::Cinder::Volume", "", "image"},
};
constexpr UsualProperty kComputeGuestShutdownBehaviorRows[] = {
    {"os_shutdown_timeout", "integer", "Shutdown timeout",
     "Seconds before a guest that was asked to shut down is switched off.",
     R"("minimum":0)"},
};

constexpr UsualSpace kUsualCompute[] = {
    {"OS::Compute::VirtCPUTopology", "Virtual CPU Topology",
     "How the vCPUs of a guest are laid out in sockets, cores and threads. Some guests are "
     "licensed by socket, or run only so many of them.",
     kComputeVirtCPUTopologyTypes, kComputeVirtCPUTopologyRows},
    {"OS::Compute::CPUPinning", "CPU Pinning",
     "Whether the vCPUs of a guest have host CPUs to themselves.",
     kComputeCPUPinningTypes, kComputeCPUPinningRows},
    {"OS::Compute::CPUMode", "CPU Mode",
     "Which model of CPU a guest is shown.",
     kComputeCPUModeTypes, kComputeCPUModeRows},
    {"OS::Compute::GuestMemoryBacking", "Guest Memory Backing",
     "Pages of host memory behind the guest.",
     kComputeGuestMemoryBackingTypes, kComputeGuestMemoryBackingRows},
    {"OS::Compute::Libvirt", "libvirt Driver Options",
     "Devices that libvirt gives a guest.",
     kComputeLibvirtTypes, kComputeLibvirtRows},
    {"OS::Compute::LibvirtImage", "libvirt Driver Options for Images",
     "What hardware the system on an image expects; read by the libvirt driver.",
     kComputeLibvirtImageTypes, kComputeLibvirtImageRows},
    {"OS::Compute::InstanceData", "Instance Data",
     "What a server of this image needs beside its disk.",
     kComputeInstanceDataTypes, kComputeInstanceDataRows},
    {"OS::Compute::Hypervisor", "Hypervisor Selection",
     "Which hypervisor an image is made for.",
     kComputeHypervisorTypes, kComputeHypervisorRows},
    {"OS::Compute::Quota", "Flavor Quota",
     "Shares and limits of a guest, kept by the host.",
     kComputeQuotaTypes, kComputeQuotaRows},
    {"OS::Compute::RandomNumberGenerator", "Random Number Generator",
     "How much entropy a guest may take from the host.",
     kComputeRandomNumberGeneratorTypes, kComputeRandomNumberGeneratorRows},
    {"OS::Compute::Watchdog", "Watchdog",
     "A device that notices when the guest hangs.",
     kComputeWatchdogTypes, kComputeWatchdogRows},
    {"OS::Compute::TPM", "TPM",
     "Model of an emulated TPM.",
     kComputeTPMTypes, kComputeTPMRows},
    {"OS::Compute::VTPM", "TPM Support of Hosts",
     "Traits of hosts that can emulate a TPM.",
     kComputeVTPMTypes, kComputeVTPMRows},
    {"OS::Compute::HostCapabilities", "Host Capabilities",
     "What a host must have for a guest to be placed there.",
     kComputeHostCapabilitiesTypes, kComputeHostCapabilitiesRows},
    {"OS::Compute::AggregateDiskFilter", "Disk Allocation per Host",
     "How far the disks of an aggregate may be given out.",
     kComputeAggregateDiskFilterTypes, kComputeAggregateDiskFilterRows},
    {"OS::Compute::AggregateIoOpsFilter", "IO Operations per Host",
     "How many heavy operations a host of an aggregate may have at once.",
     kComputeAggregateIoOpsFilterTypes, kComputeAggregateIoOpsFilterRows},
    {"OS::Compute::AggregateNumInstancesFilter", "Servers per Host",
     "How many servers a host of an aggregate may have.",
     kComputeAggregateNumInstancesFilterTypes, kComputeAggregateNumInstancesFilterRows},
    {"OS::Compute::GuestShutdownBehavior", "Shutdown Behavior",
     "How long a guest may take to shut down.",
     kComputeGuestShutdownBehaviorTypes, kComputeGuestShutdownBehaviorRows},
};

}  // namespace

std::span<const UsualSpace> usual_compute() { return kUsualCompute; }

}  // namespace cloudos::image
