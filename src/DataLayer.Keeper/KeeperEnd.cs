namespace DataLayer.Keeper;

/// <summary>How a kept mount came to its end.</summary>
public enum KeeperEnd
{
    /// <summary>It was unmounted.</summary>
    Unmounted,

    /// <summary>No service took it over in time: its users get ENOTCONN until it is unmounted.</summary>
    TimedOut,

    /// <summary>Somebody aborted the connection; the dead mount is still in the kernel's table.</summary>
    Aborted,
}
