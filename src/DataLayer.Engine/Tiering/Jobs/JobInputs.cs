using System.Security.Cryptography;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// Lists that callers sent with their jobs: one file each in a folder of the service, under a random name that the
/// job's spec holds, until the job is forgotten.
/// </summary>
/// <param name="folder">The folder; made when it is needed.</param>
/// <param name="maxBytes">The longest list, bytes.</param>
public sealed class JobInputs(string folder, long maxBytes)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Takes a list over.</summary>
    /// <returns>Its name, and the SHA-256 of its bytes in hexadecimal.</returns>
    /// <exception cref="DataLayerException">FileTooLarge.</exception>
    public async Task<(string Name, string Digest)> SaveAsync(Stream list, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(list);
        Directory.CreateDirectory(folder, Private | UnixFileMode.UserExecute);
        string name = RandomNumberGenerator.GetHexString(32, lowercase: true);
        string path = PathOf(name);
        try
        {
            FileStreamOptions options = new()
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = Private,
                Options = FileOptions.Asynchronous,
            };
            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            FileStream file = new(path, options);
            await using (file.ConfigureAwait(false))
            {
                byte[] buffer = new byte[64 << 10];
                int count;
                long total = 0;
                while ((count = await list.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                {
                    total += count;
                    if (total > maxBytes)
                    {
                        throw new DataLayerException(
                            ErrorCode.FileTooLarge, $"The list is longer than {maxBytes} bytes: split it.");
                    }

                    hash.AppendData(buffer, 0, count);
                    await file.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                }
            }

            return (name, Convert.ToHexStringLower(hash.GetHashAndReset()));
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Opens a list.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public StreamReader Open(string name)
    {
        try
        {
            return new StreamReader(PathOf(name));
        }
        catch (IOException e)
        {
            throw new DataLayerException(ErrorCode.NotFound, $"The job's list is gone: {e.Message}", e);
        }
    }

    /// <summary>Removes a list.</summary>
    public void Remove(string name)
    {
        try
        {
            File.Delete(PathOf(name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays as a file that nobody reads; the next start removes it.
            _ = e;
        }
    }

    /// <summary>
    /// Removes every list that no job names: what a crash left between taking a list and adding its job.
    /// </summary>
    public void RemoveAllBut(IReadOnlySet<string> named)
    {
        ArgumentNullException.ThrowIfNull(named);
        if (Directory.Exists(folder))
        {
            foreach (string file in Directory.GetFiles(folder))
            {
                if (!named.Contains(Path.GetFileNameWithoutExtension(file)))
                {
                    Remove(Path.GetFileNameWithoutExtension(file));
                }
            }
        }
    }

    private string PathOf(string name) =>
        name.Length == 32 && !name.AsSpan().ContainsAnyExceptInRange('0', 'f') && !name.Contains('/')
            ? Path.Combine(folder, name + ".list")
            : throw new DataLayerException(ErrorCode.InvalidArgument, $"'{name}' is not a list's name.");
}
