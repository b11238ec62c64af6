using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Core.Layout;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>
/// Profiles as bytes: <c>docs/FORMATS/profile.md</c>. Numbers are varints, paths share what they begin with, and a
/// CRC-32C closes the whole.
/// </summary>
public static class ProfileFormat
{
    /// <summary>The largest profile that is read, bytes.</summary>
    public const int MaxBytes = 256 << 20;

    private const int MaxPathBytes = 4096;
    private const long MaxMilliseconds = 3660L * 86_400_000;
    private static readonly byte[] _magic = "DLPROF1\n"u8.ToArray();

    /// <summary>Writes a profile.</summary>
    public static byte[] Write(AccessProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArrayBufferWriter<byte> output = new(1024 + (profile.Entries.Count * 8) + (profile.Files.Count * 24));
        output.Write(_magic);
        Put(output, (ulong)profile.RunCount);
        Put(output, (ulong)profile.RecordedAt.ToUnixTimeMilliseconds());
        Put(output, (ulong)profile.Duration.TotalMilliseconds);
        Put(output, (ulong)profile.MissedCount);
        PutText(output, Encoding.UTF8.GetBytes(profile.Path));
        Put(output, (ulong)profile.Files.Count);
        byte[] before = [];
        foreach (ProfileFile file in profile.Files)
        {
            byte[] path = Encoding.UTF8.GetBytes(file.Path);
            int shared = path.AsSpan().CommonPrefixLength(before);
            Put(output, (ulong)shared);
            PutText(output, path.AsSpan(shared));
            Put(output, (ulong)file.Inode.Value);
            Put(output, (ulong)file.SizeBytes);
            before = path;
        }

        PutEntries(output, profile.Entries);
        uint crc = Crc32C.Append(0, output.WrittenSpan);
        BinaryPrimitives.WriteUInt32LittleEndian(output.GetSpan(sizeof(uint)), crc);
        output.Advance(sizeof(uint));
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads a profile.</summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: it is none, of another version, damaged, or too large; the message says which.
    /// </exception>
    public static AccessProfile Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxBytes)
        {
            throw Bad($"it has {bytes.Length} bytes, {MaxBytes} are allowed");
        }

        if (bytes.Length < _magic.Length + sizeof(uint) || !bytes[..6].SequenceEqual(_magic.AsSpan(0, 6)))
        {
            throw Bad("it does not begin as one");
        }

        if (!bytes.StartsWith(_magic))
        {
            throw Bad("it is of another version of the format");
        }

        ReadOnlySpan<byte> body = bytes[..^sizeof(uint)];
        if (Crc32C.Append(0, body) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[^sizeof(uint)..]))
        {
            throw Bad("its checksum does not match");
        }

        Input input = new(body[_magic.Length..]);
        int runs = input.Int(1, int.MaxValue, "number of runs");
        long recorded = input.Long(0, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds(), "time");
        long duration = input.Long(0, MaxMilliseconds, "duration");
        long missed = input.Long(0, long.MaxValue, "number of missed accesses");
        string root = input.Text([], 0);
        List<ProfileFile> files = ReadFiles(ref input);
        List<ProfileEntry> entries = ReadEntries(ref input, files, runs);
        input.End();
        return new AccessProfile
        {
            Path = root,
            RecordedAt = DateTimeOffset.FromUnixTimeMilliseconds(recorded),
            Duration = TimeSpan.FromMilliseconds(duration),
            RunCount = runs,
            MissedCount = missed,
            Files = files,
            Entries = entries,
        };
    }

    private static void PutEntries(ArrayBufferWriter<byte> output, IReadOnlyList<ProfileEntry> entries)
    {
        Put(output, (ulong)entries.Count);
        ProfileEntry last = default;
        foreach (ProfileEntry entry in entries)
        {
            uint expected = entry.File == last.File ? last.FirstBlock + last.BlockCount : 0;
            Put(output, ZigZag(entry.File - (long)last.File));
            Put(output, ZigZag(entry.FirstBlock - (long)expected));
            Put(output, entry.BlockCount);
            Put(output, (ulong)entry.RunCount);
            Put(output, (ulong)((long)entry.Time.TotalMilliseconds - (long)last.Time.TotalMilliseconds));
            last = entry;
        }
    }

    private static List<ProfileFile> ReadFiles(ref Input input)
    {
        int count = input.Int(0, input.Length, "number of files");
        List<ProfileFile> files = new(Math.Min(count, 1 << 16));
        byte[] before = [];
        for (int i = 0; i < count; i++)
        {
            int shared = input.Int(0, before.Length, "shared length of a path");
            string path = input.Text(before, shared);
            before = Encoding.UTF8.GetBytes(path);
            long inode = input.Long(0, long.MaxValue, "inode");
            files.Add(new ProfileFile(
                path, new InodeId(inode), input.Long(0, BlockLayout.MaxFileBytes, "size of a file")));
        }

        return files;
    }

    private static List<ProfileEntry> ReadEntries(ref Input input, List<ProfileFile> files, int runs)
    {
        int count = input.Int(0, input.Length, "number of entries");
        List<ProfileEntry> entries = new(Math.Min(count, 1 << 16));
        ProfileEntry last = default;
        for (int i = 0; i < count; i++)
        {
            long file = last.File + input.Signed("file of an entry");
            if (file < 0 || file >= files.Count)
            {
                throw Bad($"entry {i} is of file {file} of {files.Count}");
            }

            uint expected = file == last.File ? last.FirstBlock + last.BlockCount : 0;
            long first = expected + input.Signed("first block of an entry");
            uint blocks = BlockLayout.BlockCount(files[(int)file].SizeBytes);
            long length = input.Long(1, blocks, "number of blocks of an entry");
            if (first < 0 || first + length > blocks)
            {
                throw Bad($"entry {i} has blocks past the end of its file");
            }

            int seen = input.Int(1, runs, "number of runs of an entry");
            long left = MaxMilliseconds - (long)last.Time.TotalMilliseconds;
            TimeSpan at = last.Time + TimeSpan.FromMilliseconds(input.Long(0, left, "time of an entry"));
            last = new ProfileEntry((int)file, (uint)first, (uint)length, seen, at);
            entries.Add(last);
        }

        return entries;
    }

    private static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    private static void PutText(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> text)
    {
        Put(output, (ulong)text.Length);
        output.Write(text);
    }

    private static void Put(ArrayBufferWriter<byte> output, ulong value)
    {
        Span<byte> bytes = output.GetSpan(10);
        int length = 0;
        while (value >= 0x80)
        {
            bytes[length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        bytes[length++] = (byte)value;
        output.Advance(length);
    }

    private static DataLayerException Bad(string why) =>
        new(ErrorCode.InvalidArgument, $"This is no access profile that can be used: {why}. Export it again.");

    /// <summary>Reads values off the front.</summary>
    private ref struct Input(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public readonly int Length => _rest.Length;

        public readonly void End()
        {
            if (!_rest.IsEmpty)
            {
                throw Bad($"{_rest.Length} bytes follow its end");
            }
        }

        public int Int(int min, int max, string what) => (int)Long(min, max, what);

        public long Long(long min, long max, string what)
        {
            ulong value = Number(what);
            return value <= (ulong)max && value >= (ulong)min
                ? (long)value
                : throw Bad($"its {what} is {value}");
        }

        public long Signed(string what)
        {
            ulong value = Number(what);
            return (long)(value >> 1) ^ -(long)(value & 1);
        }

        public string Text(ReadOnlySpan<byte> before, int shared)
        {
            int length = Int(0, MaxPathBytes, "length of a path");
            if (length > _rest.Length)
            {
                throw Bad("it ends in a path");
            }

            Span<byte> path = stackalloc byte[shared + length];
            before[..shared].CopyTo(path);
            _rest[..length].CopyTo(path[shared..]);
            _rest = _rest[length..];
            return path.Length <= MaxPathBytes && path.Length > 0 && path[0] == (byte)'/'
                && System.Text.Unicode.Utf8.IsValid(path)
                ? Encoding.UTF8.GetString(path)
                : throw Bad("a path is not one");
        }

        private ulong Number(string what)
        {
            ulong value = 0;
            for (int i = 0; i < 10 && i < _rest.Length; i++)
            {
                value |= (ulong)(_rest[i] & 0x7F) << (7 * i);
                if (_rest[i] < 0x80)
                {
                    _rest = _rest[(i + 1)..];
                    return value;
                }
            }

            throw Bad($"it ends in its {what}");
        }
    }
}
