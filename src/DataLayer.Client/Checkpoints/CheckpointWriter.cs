using System.Globalization;
using System.Security.Cryptography;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Client.Checkpoints;

/// <summary>
/// Writes checkpoints to the tree: in parts at once, published as a whole, with only the last ones kept.
/// </summary>
/// <remarks>
/// The parts go to a hidden file beside the path (<c>.NAME.12-HEX.part</c>), which one rename makes the checkpoint: a
/// reader sees the file of before or the new one. It is durable in the hot tier when the call ends; to the bucket it
/// goes by the attachment's policy. The Python client writes and finds the same files. Safe for concurrent use.
/// </remarks>
public sealed class CheckpointWriter
{
    private static readonly TimeSpan _abandoned = TimeSpan.FromHours(1);
    private readonly DataLayerClient _client;
    private readonly CheckpointWriterOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Makes a writer. The client stays the caller's.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: an option is out of range.</exception>
    public CheckpointWriter(
        DataLayerClient client, CheckpointWriterOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        _client = client;
        _options = options ?? new CheckpointWriterOptions();
        _options.Validate();
        _time = time ?? TimeProvider.System;
    }

    /// <summary>Saves bytes as a checkpoint.</summary>
    /// <param name="path">Where, as <c>/ckpt/step-000100.bin</c>; missing folders are made.</param>
    /// <param name="content">The bytes; they stay as they are until the call ends.</param>
    /// <param name="cancellationToken">Gives the call up; nothing is published then.</param>
    /// <returns>The content's entity tag.</returns>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: checkpoints are to be kept by number and the name has none. NoSpace, ReadOnly, …
    /// </exception>
    public async ValueTask<string?> SaveAsync(
        string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        ReadOnlyMemory<byte> rest = content;
        return await SaveAsync(
            path,
            _ =>
            {
                ReadOnlyMemory<byte> part = rest[..Math.Min(_options.PartBytes, rest.Length)];
                rest = rest[part.Length..];
                return ValueTask.FromResult(part);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Saves what a stream has from here to its end; of any length.</summary>
    /// <inheritdoc cref="SaveAsync(string, ReadOnlyMemory{byte}, CancellationToken)"/>
    public async ValueTask<string?> SaveAsync(
        string path, Stream content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        return await SaveAsync(
            path,
            async token =>
            {
                byte[] part = new byte[_options.PartBytes];
                int count = await content
                    .ReadAtLeastAsync(part, part.Length, throwOnEndOfStream: false, token)
                    .ConfigureAwait(false);
                return part.AsMemory(0, count);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a checkpoint, in parts at once; all of one content.</summary>
    /// <exception cref="DataLayerException">NotFound; FileTooLarge: over 2 GiB. Stale: it was replaced.</exception>
    public async ValueTask<byte[]> LoadAsync(string path, CancellationToken cancellationToken = default)
    {
        FileStatus status = await _client
            .StatAsync(path, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        if (status.SizeBytes > Array.MaxLength)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge,
                $"'{path}' has {status.SizeBytes} bytes, more than an array: use DataLayerClient.DownloadAsync.");
        }

        byte[] content = new byte[status.SizeBytes];
        List<int> starts = [];
        for (long start = 0; start < content.Length; start += _options.PartBytes)
        {
            starts.Add((int)start);
        }

        ParallelOptions parallel = new()
        {
            MaxDegreeOfParallelism = _options.Parallelism,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(starts, parallel, async (start, token) =>
        {
            Memory<byte> part = content.AsMemory(start, Math.Min(_options.PartBytes, content.Length - start));
            int count = await _client
                .ReadAtAsync(path, start, part, status.EntityTag, token)
                .ConfigureAwait(false);
            if (count != part.Length)
            {
                throw new DataLayerException(
                    ErrorCode.Stale,
                    $"'{path}' ends at {start + count}, and had {content.Length} bytes: read it again.");
            }
        }).ConfigureAwait(false);
        return content;
    }

    /// <summary>The paths of a folder's files that have a number in their names, the highest last.</summary>
    public async ValueTask<IReadOnlyList<string>> ListAsync(
        string folder, CancellationToken cancellationToken = default)
    {
        List<(UInt128 Number, string Path)> found = [];
        try
        {
            await foreach (FileStatus entry in _client
                .ListAsync(folder, cancellationToken: cancellationToken)
                .ConfigureAwait(false))
            {
                if (entry.Kind == FileKind.Regular && CheckpointName.TryParse(entry.Name) is { } name)
                {
                    found.Add((name.Number, TreePath.Combine(folder, entry.Name)));
                }
            }
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            return [];
        }

        found.Sort((a, b) => a.Number != b.Number
            ? a.Number.CompareTo(b.Number)
            : string.CompareOrdinal(a.Path, b.Path));
        return found.ConvertAll(each => each.Path);
    }

    /// <summary>The file with the highest number in its name; null where there is none.</summary>
    public async ValueTask<string?> FindLatestAsync(string folder, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<string> all = await ListAsync(folder, cancellationToken).ConfigureAwait(false);
        return all.Count == 0 ? null : all[^1];
    }

    private async ValueTask<string?> SaveAsync(
        string path, Func<CancellationToken, ValueTask<ReadOnlyMemory<byte>>> nextPart,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        (string folder, string name) = Split(path);
        if (_options.Keep is { } keep && CheckpointName.TryParse(name) is null)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The last {keep} checkpoints are to be kept, and '{name}' has no number to tell which are older: name "
                    + "them as step-000100.bin.");
        }

        string unique = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
        string hidden = TreePath.Combine(
            folder, $".{name[..Math.Min(name.Length, 150)]}.{unique}{CheckpointName.HiddenEnding}");
        try
        {
            await WritePartsAsync(hidden, nextPart, cancellationToken).ConfigureAwait(false);
            await _client.RenameAsync(hidden, path, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await RemoveAsync(hidden, CancellationToken.None).ConfigureAwait(false);
            throw;
        }

        FileStatus saved = await _client.StatAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false);
        if (_options.Keep is { } kept)
        {
            await RemoveOldAsync(folder, name, kept, cancellationToken).ConfigureAwait(false);
        }

        return saved.EntityTag;
    }

    private async ValueTask WritePartsAsync(
        string hidden, Func<CancellationToken, ValueTask<ReadOnlyMemory<byte>>> nextPart,
        CancellationToken cancellationToken)
    {
        // The first part makes the file and its folders; the others then only fill it.
        ReadOnlyMemory<byte> part = await nextPart(cancellationToken).ConfigureAwait(false);
        await _client
            .WriteFileAsync(hidden, part, new WriteOptions { MakeParents = true }, cancellationToken)
            .ConfigureAwait(false);
        long written = part.Length;
        List<Task> running = [];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            while (part.Length == _options.PartBytes)
            {
                part = await nextPart(cancellationToken).ConfigureAwait(false);
                if (part.IsEmpty)
                {
                    break;
                }

                if (running.Count == _options.Parallelism)
                {
                    Task ended = await Task.WhenAny(running).ConfigureAwait(false);
                    running.Remove(ended);
                    await ended.ConfigureAwait(false);
                }

                running.Add(_client.WriteAtAsync(hidden, written, part, null, stop.Token).AsTask());
                written += part.Length;
            }

            await Task.WhenAll(running).ConfigureAwait(false);
        }
        catch
        {
            // Nobody reads the caller's bytes any more when the call ends.
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        FileStatus status = await _client
            .StatAsync(hidden, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        if (status.SizeBytes != written)
        {
            throw new DataLayerException(
                ErrorCode.Stale,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"'{hidden}' has {status.SizeBytes} bytes where {written} were written: who else changed it?"));
        }
    }

    private async ValueTask RemoveOldAsync(
        string folder, string name, int keep, CancellationToken cancellationToken)
    {
        CheckpointName saved = CheckpointName.TryParse(name)!.Value;
        List<(UInt128 Number, string Path)> alike = [];
        List<string> abandoned = [];
        long oldest = (_time.GetUtcNow() - _abandoned).ToUnixTimeMilliseconds();
        await foreach (FileStatus entry in _client
            .ListAsync(folder, cancellationToken: cancellationToken)
            .ConfigureAwait(false))
        {
            if (entry.Kind != FileKind.Regular)
            {
                continue;
            }

            if (CheckpointName.TryParse(entry.Name) is { } other && other.Before == saved.Before
                && other.After == saved.After)
            {
                alike.Add((other.Number, TreePath.Combine(folder, entry.Name)));
            }
            else if (CheckpointName.IsHidden(entry.Name) && entry.ModifyTimeNanoseconds / 1_000_000 < oldest)
            {
                abandoned.Add(TreePath.Combine(folder, entry.Name)); // Of a writer that died.
            }
        }

        alike.Sort((a, b) => a.Number.CompareTo(b.Number));
        for (int i = 0; i < alike.Count - keep; i++)
        {
            if (alike[i].Path != TreePath.Combine(folder, name))
            {
                await RemoveAsync(alike[i].Path, cancellationToken).ConfigureAwait(false);
            }
        }

        foreach (string path in abandoned)
        {
            await RemoveAsync(path, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask RemoveAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await _client.DeleteAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound || !cancellationToken.CanBeCanceled)
        {
            // It is gone; or the fault that led here says more.
        }
    }

    private static (string Folder, string Name) Split(string path)
    {
        int slash = path.LastIndexOf('/');
        return (slash <= 0 ? "/" : path[..slash], path[(slash + 1)..]);
    }
}
