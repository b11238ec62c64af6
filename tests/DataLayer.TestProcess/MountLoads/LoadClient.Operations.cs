using DataLayer.TestSupport.Posix;

namespace DataLayer.TestProcess.MountLoads;

/// <content>What a client does.</content>
internal sealed partial class LoadClient
{
    private void Replace()
    {
        var name = AnyName();
        if (!_names.TryGetValue(name, out var file))
        {
            file = new LoadFile { NameCount = 1 };
        }

        var length = NextLength();
        var descriptor = (int)Call(
            $"create {name}", () => Sys.Open(P(name), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate, 0x1A4));
        _names[name] = file;
        file.Resize(0);
        for (var at = 0; at < length;)
        {
            var piece = Math.Min(length - at, _random.Next(1, 128 << 10));
            Write($"write {name}", descriptor, file, at, piece);
            at += piece;
        }

        Call($"close {name}", () => Sys.Close(descriptor));
    }

    private void WriteAt()
    {
        if (Pick(out var name, out var file))
        {
            var length = _random.Next(1, 64 << 10);
            var offset = _random.Next(Math.Min(file.Length + (8 << 10), MaxLength - length));
            Write($"pwrite {name}", Descriptor(name, file), file, offset, length);
        }
    }

    private void Write(string what, int descriptor, LoadFile file, int offset, int length)
    {
        var bytes = _buffer.AsMemory(0, length);
        LoadContent.Fill(bytes.Span, Id, ++_writeCount, offset);
        var written = Call(what, () => Sys.Write(descriptor, bytes.Span, offset));
        Check(what, written == length ? null : FormattableString.Invariant($"{written} of {length} bytes written"));
        bytes.Span.CopyTo(file.Range(offset, length));
    }

    private void Append()
    {
        if (!Pick(out var name, out var file) || file.Length > MaxLength - 5000)
        {
            return;
        }

        var length = _random.Next(1, 5000);
        var bytes = _buffer.AsMemory(0, length);
        LoadContent.Fill(bytes.Span, Id, ++_writeCount, file.Length);
        var descriptor = (int)Call($"open {name} to append", () => Sys.Open(P(name), OpenFlags.WriteOnly | OpenFlags.Append));
        var written = Call($"append {name}", () => Sys.Write(descriptor, bytes.Span));
        Check($"append {name}", written == length ? null : FormattableString.Invariant($"{written} of {length} bytes written"));
        bytes.Span.CopyTo(file.Range(file.Length, length));
        Call($"close {name}", () => Sys.Close(descriptor));
    }

    private void Cut()
    {
        if (Pick(out var name, out var file))
        {
            var length = _random.Next(Math.Min(file.Length + (16 << 10), MaxLength));
            Call($"truncate {name}", () => file.Descriptor >= 0 ? Sys.Truncate(file.Descriptor, length) : Sys.Truncate(P(name), length));
            file.Resize(length);
        }
    }

    private void Rename()
    {
        if (!Pick(out var from, out var file))
        {
            return;
        }

        var to = AnyName();
        var isThere = _names.TryGetValue(to, out var other);
        switch (_random.Next(4))
        {
            case 0 when isThere:
                Call($"exchange {from} {to}", () => Sys.Rename(P(from), P(to), RenameMode.Exchange));
                (_names[from], _names[to]) = (other!, file);
                break;
            case 1 when isThere:
                var kept = Sys.Rename(P(from), P(to), RenameMode.NoReplace);
                Check($"rename {from} {to} without replacing", kept == -(long)Errno.EEXIST ? null : $"{(Errno)(-kept)} instead of EEXIST");
                break;
            default:
                Call($"rename {from} {to}", () => Sys.Rename(P(from), P(to)));
                if (!ReferenceEquals(other, file))
                {
                    _names.Remove(from);
                    _names[to] = file;
                    if (other is not null)
                    {
                        Drop(other);
                    }
                }

                break;
        }
    }

    private void Unlink()
    {
        if (Pick(out var name, out var file))
        {
            Call($"unlink {name}", () => Sys.Unlink(P(name)));
            _names.Remove(name);
            Drop(file);
        }
    }

    private void Link()
    {
        var to = AnyName();
        if (Pick(out var name, out var file) && !_names.ContainsKey(to))
        {
            Call($"link {name} {to}", () => Sys.Link(P(name), P(to)));
            _names[to] = file;
            file.NameCount++;
        }
    }

    private unsafe void WriteMapped()
    {
        if (!Pick(out var name, out var file) || file.Length == 0)
        {
            return;
        }

        var descriptor = Descriptor(name, file);
        var size = (nuint)file.Length;
        var address = Call($"mmap {name}", () => Sys.Map(size, MapFlags.Read | MapFlags.Write, MapFlags.Shared, descriptor, 0));
        var offset = _random.Next(file.Length);
        var length = Math.Min(_random.Next(1, 40_000), file.Length - offset);
        var range = file.Range(offset, length);
        LoadContent.Fill(range, Id, ++_writeCount, offset);
        range.CopyTo(new Span<byte>((byte*)address + offset, length));
        if (_random.Next(2) == 0)
        {
            Call($"msync {name}", () => Sys.SyncMap(address, size, MapFlags.Synchronous));
        }

        Call($"munmap {name}", () => Sys.Unmap(address, size));
    }

    private unsafe void ReadMapped()
    {
        if (!Pick(out var name, out var file) || file.Length == 0)
        {
            return;
        }

        var descriptor = Descriptor(name, file);
        var size = (nuint)file.Length;
        var address = Call($"mmap {name}", () => Sys.Map(size, MapFlags.Read, MapFlags.Shared, descriptor, 0));
        var offset = _random.Next(file.Length);
        var length = Math.Min(_random.Next(1, 100_000), file.Length - offset);
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        var difference = LoadContent.Difference(
            new ReadOnlySpan<byte>((byte*)address + offset, length), file.Content.Slice(offset, length), offset);
        report.Took(Id, $"mapped read {name}", started);
        Call($"munmap {name}", () => Sys.Unmap(address, size));
        Check($"mapped read {name}", difference);
    }

    private void ReadRange()
    {
        if (Pick(out var name, out var file) && file.Length > 0)
        {
            var offset = _random.Next(file.Length);
            var length = Math.Min(_random.Next(1, 200_000), file.Length - offset);
            VerifyRange(name, Descriptor(name, file), file, offset, length);
        }
    }

    private void ReadWhole()
    {
        if (Pick(out var name, out var file))
        {
            VerifyByName(name, file);
        }
    }

    private void VerifyByName(string name, LoadFile file)
    {
        FileStatus status = default;
        Call($"stat {name}", () => Sys.Stat(P(name), out status));
        Check($"stat {name}", status.Size == file.Length ? null : FormattableString.Invariant($"size {status.Size} instead of {file.Length}"));
        Check($"stat {name}", status.LinkCount == file.NameCount ? null : FormattableString.Invariant($"{status.LinkCount} links, not {file.NameCount}"));
        var descriptor = (int)Call($"open {name}", () => Sys.Open(P(name), OpenFlags.ReadOnly));
        VerifyRange(name, descriptor, file, 0, file.Length);
        var beyond = Call($"read {name} at its end", () => Sys.Read(descriptor, new byte[16], file.Length));
        Check($"read {name} at its end", beyond == 0 ? null : "bytes behind the end");
        Call($"close {name}", () => Sys.Close(descriptor));
    }

    private void ListFolder()
    {
        var folder = (int)Call("open the folder", () => Sys.Open(_folder, OpenFlags.ReadOnly | OpenFlags.Directory));
        List<string> found = [];
        long result = 0;
        while (true)
        {
            IReadOnlyList<FolderEntry>? entries = null;
            Call("list the folder", () =>
            {
                entries = Sys.ReadFolder(folder, out result);
                return result;
            });
            if (entries is null)
            {
                break;
            }

            found.AddRange(entries.Select(entry => entry.Name).Where(name => name is not "." and not ".."));
        }

        Call("close the folder", () => Sys.Close(folder));
        found.Sort(StringComparer.Ordinal);
        var (names, wanted) = (string.Join(' ', found), string.Join(' ', _names.Keys.Order(StringComparer.Ordinal)));
        Check("list the folder", names == wanted ? null : $"{names} instead of {wanted}");
    }

    private void Sync()
    {
        if (Pick(out var name, out var file))
        {
            var descriptor = Descriptor(name, file);
            Call($"fsync {name}", () => _random.Next(2) == 0 ? Sys.Sync(descriptor) : Sys.DataSync(descriptor));
        }
    }

    private void Attribute()
    {
        if (Pick(out var name, out _))
        {
            var value = Guid.NewGuid().ToByteArray();
            Call($"setxattr {name}", () => Sys.SetXattr(P(name), "user.load", value));
            var found = new byte[16];
            Call($"getxattr {name}", () => Sys.GetXattr(P(name), "user.load", found));
            Check($"getxattr {name}", found.AsSpan().SequenceEqual(value) ? null : "another value");
        }
    }

    private void VerifyOrphan()
    {
        if (_orphans.Count > 0)
        {
            VerifyOpen("an unlinked file", _orphans[_random.Next(_orphans.Count)]);
        }
    }

    private void VerifyAll()
    {
        foreach (var orphan in _orphans)
        {
            VerifyOpen("an unlinked file", orphan);
            Close(orphan);
        }

        _orphans.Clear();
        foreach (var (name, file) in _names)
        {
            if (file.Descriptor >= 0)
            {
                VerifyOpen(name, file);
                Close(file);
            }

            VerifyByName(name, file);
        }

        ListFolder();
    }

    private int NextLength() => _random.Next(4) switch
    {
        0 => _random.Next(4096),
        1 => _random.Next(64 << 10),
        _ => _random.Next(MaxLength),
    };
}
