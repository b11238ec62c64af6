using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Server.Hosting;

/// <summary>
/// Keeps a second process out of a state directory, as long as this object lives. The kernel drops the lock with the
/// process, so a
/// killed service leaves none behind.
/// </summary>
internal sealed class StateLock : IDisposable
{
    private readonly FileStream _file;

    private StateLock(FileStream file) => _file = file;

    /// <summary>Makes the directory where absent (mode 0700) and locks it.</summary>
    /// <exception cref="DataLayerException">Overloaded: another process holds it. TargetFailed: it cannot be made or
    /// written.</exception>
    public static StateLock Acquire(string directory)
    {
        string path = Path.Combine(directory, "lock");
        try
        {
            Directory.CreateDirectory(
                directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            FileStream file = new(
                path,
                new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate,
                    Access = FileAccess.ReadWrite,
                    Share = FileShare.None,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
            file.SetLength(0);
            file.Write(
                System.Text.Encoding.ASCII.GetBytes(
                    Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"));
            file.Flush();
            return new StateLock(file);
        }
        catch (IOException e)
            when (File.Exists(path)
                && e is not (DirectoryNotFoundException or PathTooLongException)
                && e.HResult == WouldBlock
            )
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"The state directory '{directory}' is in use by another process: stop it, or give another one.",
                e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed,
                $"The state directory '{directory}' cannot be used: {e.Message} Give a writable stateDirectory.", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>EWOULDBLOCK, as .NET reports a lock that another process holds.</summary>
    private const int WouldBlock = 11;
}
