namespace DataLayer.Csi.Interop;

/// <summary>The error numbers of Linux that the node's calls meet.</summary>
internal static class Errno
{
    public const int NoEntry = 2;
    public const int Busy = 16;
    public const int Exists = 17;
    public const int CrossDevice = 18;
    public const int NotDirectory = 20;
    public const int Invalid = 22;
    public const int NotSupportedCall = 38;
    public const int NotEmpty = 39;
    public const int TooManyLinks = 40;
    public const int NotConnected = 107;
}
