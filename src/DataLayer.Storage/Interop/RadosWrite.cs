namespace DataLayer.Storage.Interop;

/// <summary>Changes of one object that the cluster makes all or not at all. Buffers are copied when given.</summary>
internal sealed unsafe class RadosWrite : IDisposable
{
    internal RadosWriteHandle Handle { get; } = Librados.CreateWrite();

    /// <summary>Makes the object; with <paramref name="exclusive"/> all fails with EEXIST if it is there.</summary>
    internal RadosWrite Create(bool exclusive)
    {
        Librados.AddCreate(Handle, exclusive ? Librados.CreateExclusive : 0, 0);
        return this;
    }

    /// <summary>The whole fails with ENOENT unless the object is there.</summary>
    internal RadosWrite DemandExists()
    {
        Librados.AddAssertExists(Handle);
        return this;
    }

    /// <summary>The whole fails with ECANCELED unless an attribute has this value.</summary>
    internal RadosWrite Demand(string attribute, ReadOnlySpan<byte> value)
    {
        fixed (byte* bytes = value)
        {
            Librados.AddCompare(Handle, attribute, Librados.CompareEqual, bytes, (nuint)value.Length);
        }

        return this;
    }

    internal RadosWrite Set(string attribute, ReadOnlySpan<byte> value)
    {
        fixed (byte* bytes = value)
        {
            Librados.AddSetAttribute(Handle, attribute, bytes, (nuint)value.Length);
        }

        return this;
    }

    internal RadosWrite Unset(string attribute)
    {
        Librados.AddRemoveAttribute(Handle, attribute);
        return this;
    }

    internal RadosWrite Write(ReadOnlySpan<byte> bytes, long offsetBytes)
    {
        if (!bytes.IsEmpty)
        {
            fixed (byte* first = bytes)
            {
                Librados.AddWrite(Handle, first, (nuint)bytes.Length, (ulong)offsetBytes);
            }
        }

        return this;
    }

    /// <summary>Replaces the object's bytes; attributes stay.</summary>
    internal RadosWrite WriteFull(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            Librados.AddWriteFull(Handle, first, (nuint)bytes.Length);
        }

        return this;
    }

    internal RadosWrite Append(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            Librados.AddAppend(Handle, first, (nuint)bytes.Length);
        }

        return this;
    }

    internal RadosWrite Truncate(long lengthBytes)
    {
        Librados.AddTruncate(Handle, (ulong)lengthBytes);
        return this;
    }

    /// <summary>Gives back a range; what lies past the object's end stays past it.</summary>
    internal RadosWrite Zero(long offsetBytes, long lengthBytes)
    {
        Librados.AddZero(Handle, (ulong)offsetBytes, (ulong)lengthBytes);
        return this;
    }

    internal RadosWrite Remove()
    {
        Librados.AddRemove(Handle);
        return this;
    }

    public void Dispose() => Handle.Dispose();
}
